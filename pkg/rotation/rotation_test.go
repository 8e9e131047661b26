package rotation_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/rotation"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// secrets keeps the versions of one secret in memory.
type secrets struct {
	versions        map[string]rotation.Login
	current         string
	admin, password string
	puts            int
}

func (s *secrets) Current(context.Context, string) (rotation.Login, error) {
	return s.versions[s.current], nil
}

func (s *secrets) Pending(_ context.Context, _, token string) (rotation.Login, error) {
	l, ok := s.versions[token]
	if !ok {
		return rotation.Login{}, rotation.ErrNoVersion
	}
	return l, nil
}

func (s *secrets) Put(_ context.Context, _, token string, l rotation.Login) error {
	s.puts++
	s.versions[token] = l
	return nil
}

func (s *secrets) Promote(_ context.Context, _, token string) error {
	s.current = token
	return nil
}

func (s *secrets) Admin(context.Context) (string, string, error) { return s.admin, s.password, nil }

// fixture is a database with the role of a function, and a secret that says whose login it is.
func fixture(t *testing.T) (*secrets, *pgx.Conn) {
	t.Helper()
	address := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	role := "homing_" + strings.ToLower(rand.Text())
	_, err = conn.Exec(t.Context(),
		"CREATE ROLE "+role+" NOLOGIN; CREATE TABLE facts (n int); GRANT SELECT ON facts TO "+role)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, err := conn.Exec(ctx, fmt.Sprintf("DROP OWNED BY %[1]s; DROP ROLE IF EXISTS %[1]s_a, %[1]s_b, %[1]s", role))
		require.NoError(t, err)
		require.NoError(t, conn.Close(ctx))
	})
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	password, _ := u.User.Password()
	return &secrets{
		admin: u.User.Username(), password: password, current: "bootstrap",
		versions: map[string]rotation.Login{"bootstrap": {
			Role: role, Username: role + "_a", Password: "none", Host: u.Hostname(), Port: port, Database: u.Path[1:],
		}},
	}, conn
}

var steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// rotate takes all steps, each as often as times says.
func rotate(t *testing.T, s *secrets, token string, times int) rotation.Login {
	t.Helper()
	for _, step := range steps {
		for range times {
			require.NoError(t, rotation.New(s).Do(t.Context(), rotation.Request{Step: step, Secret: "arn", Token: token}))
		}
	}
	return s.versions[s.current]
}

// opens reports whether a login may do what the function's role may.
func opens(t *testing.T, l rotation.Login) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.URL)
	if err != nil {
		return false
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "SELECT n FROM facts")
	return err == nil
}

func TestLoginsTakeTurns(t *testing.T) {
	t.Parallel()
	s, _ := fixture(t)
	role := s.versions["bootstrap"].Role

	first := rotate(t, s, "one", 1)
	require.Equal(t, role+"_b", first.Username)
	require.True(t, opens(t, first))

	second := rotate(t, s, "two", 1)
	require.Equal(t, role+"_a", second.Username)
	require.True(t, opens(t, second))
	require.True(t, opens(t, first), "who runs with the login before must go on")

	third := rotate(t, s, "three", 1)
	require.Equal(t, first.Username, third.Username)
	require.True(t, opens(t, third))
	require.True(t, opens(t, second))
	require.False(t, opens(t, first), "the password before the last must open nothing")
}

func TestEveryStepMayBeRepeated(t *testing.T) {
	t.Parallel()
	s, _ := fixture(t)
	login := rotate(t, s, "one", 3)
	require.Equal(t, 1, s.puts, "a step that is repeated must not make another password")
	require.True(t, opens(t, login))
}

func TestNothingIsPromotedThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	s, conn := fixture(t)
	r := rotation.New(s)
	for _, step := range steps[:2] {
		require.NoError(t, r.Do(t.Context(), rotation.Request{Step: step, Token: "one"}))
	}
	pending := s.versions["one"]
	_, err := conn.Exec(t.Context(), "REVOKE "+pending.Role+" FROM "+pending.Username)
	require.NoError(t, err)
	require.ErrorContains(t, r.Do(t.Context(), rotation.Request{Step: "testSecret", Token: "one"}), "not a member")

	_, err = conn.Exec(t.Context(), "ALTER ROLE "+pending.Username+" PASSWORD 'another'")
	require.NoError(t, err)
	err = r.Do(t.Context(), rotation.Request{Step: "testSecret", Token: "one"})
	require.ErrorContains(t, err, "connect")
	require.NotContains(t, err.Error(), pending.Password)
}

func TestPostgresSeesNoPassword(t *testing.T) {
	t.Parallel()
	s, conn := fixture(t)
	// A password that comes in clear is kept as MD5 from now on; a verifier is kept as it comes.
	_, err := conn.Exec(t.Context(),
		"ALTER DATABASE "+s.versions["bootstrap"].Database+" SET password_encryption = 'md5'")
	require.NoError(t, err)
	login := rotate(t, s, "one", 1)
	var kept string
	require.NoError(t, conn.QueryRow(t.Context(),
		"SELECT rolpassword FROM pg_authid WHERE rolname = $1", login.Username).Scan(&kept))
	require.True(t, strings.HasPrefix(kept, "SCRAM-SHA-256$"), "the password was sent in clear")
	require.True(t, opens(t, login))
	require.GreaterOrEqual(t, len(login.Password), 26)
}

func TestOtherSecretsAreLeftAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]rotation.Login{
		"NotAFunctionsRole":   {Role: "postgres", Username: "postgres_a"},
		"AnotherRolesLogin":   {Role: "homing_ingest", Username: "homing_deliver_a"},
		"NoTurn":              {Role: "homing_ingest", Username: "homing_ingest"},
		"SomethingElse":       {},
		"TheAdministrators":   {Role: "homing_ingest", Username: "master"},
		"ATurnThatThereIsNot": {Role: "homing_ingest", Username: "homing_ingest_c"},
	}
	for name, login := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &secrets{current: "bootstrap", versions: map[string]rotation.Login{"bootstrap": login}}
			err := rotation.New(s).Do(t.Context(), rotation.Request{Step: "createSecret", Token: "one"})
			require.ErrorIs(t, err, rotation.ErrSecret)
			require.Zero(t, s.puts)
		})
	}
}

func TestTheLoginInUseIsNotChanged(t *testing.T) {
	t.Parallel()
	s, _ := fixture(t)
	first := rotate(t, s, "one", 1)
	forged := first
	forged.Password = "forged"
	s.versions["two"] = forged // a pending version that names the login in use
	err := rotation.New(s).Do(t.Context(), rotation.Request{Step: "setSecret", Token: "two"})
	require.ErrorIs(t, err, rotation.ErrSecret)
	require.True(t, opens(t, first))
}

func TestUnknownStep(t *testing.T) {
	t.Parallel()
	err := rotation.New(&secrets{}).Do(t.Context(), rotation.Request{Step: "deleteSecret"})
	require.ErrorIs(t, err, rotation.ErrStep)
}
