package testenv

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAbandoned(t *testing.T) {
	t.Parallel()
	me, err := self()
	require.NoError(t, err)
	now := time.Now()
	name := func(o owner) string {
		return fmt.Sprintf("p_%s_%d_%s_%d_1", o.host, o.pid, o.started, o.unix)
	}
	mine, err := newRoom("p")
	require.NoError(t, err)
	another, err := newRoom("p")
	require.NoError(t, err)
	require.NotEqual(t, mine, another)
	require.LessOrEqual(t, len(mine)+len("homing_t")-len("p"), 63, "Postgres cuts longer names")

	reused, elsewhere, old := me, me, me
	reused.started = "1"
	elsewhere.host, elsewhere.pid = "00000000", 1<<30
	old.host, old.unix = "00000000", now.Add(-2*abandonedAfter).Unix()
	gone := me
	gone.pid = 1 << 30

	for what, tt := range map[string]struct {
		name string
		want bool
	}{
		"RoomOfThisProcess":            {mine, false},
		"ProcessIsGone":                {name(gone), true},
		"PidIsNowAnotherProcess":       {name(reused), true},
		"OtherMachineRecently":         {name(elsewhere), false},
		"OtherMachineLongAgo":          {name(old), true},
		"OtherPrefix":                  {strings.Replace(name(gone), "p_", "q_", 1), false},
		"SomebodyElsesName":            {"p_production", false},
		"SomebodyElsesNameOfFiveParts": {"p_a_b_c_d_e", false},
		"PrefixAlone":                  {"p_", false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, abandoned(tt.name, "p", now))
		})
	}
}

func TestReadExport(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/services.env"
	require.NoError(t, os.WriteFile(path, []byte("# c\nexport A='x=y'\nexport B='z'\n"), 0o600))
	a, err := readExport(path, "A")
	require.NoError(t, err)
	require.Equal(t, "x=y", a)
	_, err = readExport(path, "C")
	require.ErrorContains(t, err, "has no C")
	_, err = readExport(path+".none", "A")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func BenchmarkPostgres(b *testing.B) {
	for b.Loop() {
		name, err := createDatabase(b, "template0")
		require.NoError(b, err)
		require.NoError(b, execPostgres(b, "DROP DATABASE "+name+" WITH (FORCE)"))
	}
}
