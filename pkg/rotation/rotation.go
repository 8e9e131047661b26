package rotation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

var (
	// ErrNoVersion says that a secret has no version of that name or label.
	ErrNoVersion = errors.New("rotation: the secret has no such version")
	// ErrStep says that a step is none of the four.
	ErrStep = errors.New("rotation: unknown step")
	// ErrSecret says that a secret does not describe a login of ours. Nothing is changed by it.
	ErrSecret = errors.New("rotation: the secret is not the login of a function")
)

// Login is what a secret holds: whose login it is, and what it takes to use it.
type Login struct {
	Role     string `json:"role"`     // the function's role, which the login is a member of: homing_ingest
	Username string `json:"username"` // Role with _a or _b behind it
	Password string `json:"password"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"dbname"`
	URL      string `json:"url"` // DATABASE_URL, made of the others
}

// turns are the endings of the two logins.
const turnA, turnB = "_a", "_b"

// next returns the login whose turn comes after l, with that password.
func (l Login) next(password string) (Login, error) {
	turn, ours := strings.CutPrefix(l.Username, l.Role)
	switch {
	case !strings.HasPrefix(l.Role, "homing_") || !ours:
		return Login{}, ErrSecret
	case turn == turnA:
		l.Username = l.Role + turnB
	case turn == turnB:
		l.Username = l.Role + turnA
	default:
		return Login{}, ErrSecret
	}
	l.Password = password
	l.URL = l.as(l.Username, password)
	return l, nil
}

// as returns the URL of the same database for another user. What else a connection needs, such as sslmode, comes from
// the environment of who connects, as libpq has it.
func (l Login) as(username, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(username, password),
		Host: net.JoinHostPort(l.Host, strconv.Itoa(l.Port)), Path: "/" + l.Database,
	}
	return u.String()
}

// Secrets is where logins are kept: secrets with versions. One of them is current; a rotation prepares another, the
// pending one, which is named by the rotation's token.
type Secrets interface {
	// Current returns the version that is in use.
	Current(ctx context.Context, secret string) (Login, error)
	// Pending returns the version that token names; ErrNoVersion where there is none yet.
	Pending(ctx context.Context, secret, token string) (Login, error)
	// Put makes the pending version. Putting the same again changes nothing.
	Put(ctx context.Context, secret, token string, l Login) error
	// Promote makes the version that token names the current one. Doing it again changes nothing.
	Promote(ctx context.Context, secret, token string) error
	// Admin returns the user and the password of who may make logins.
	Admin(ctx context.Context) (username, password string, err error)
}

// Request is one call of Secrets Manager: a step of the rotation of a secret that token names.
type Request struct {
	Step   string `json:"Step"`
	Secret string `json:"SecretId"`
	Token  string `json:"ClientRequestToken"`
}

// Rotator rotates the logins that are in Secrets.
type Rotator struct {
	secrets Secrets
}

// New returns a Rotator.
func New(secrets Secrets) *Rotator { return &Rotator{secrets: secrets} }

// Do takes one step. Secrets Manager calls again after an error.
func (r *Rotator) Do(ctx context.Context, request Request) error {
	steps := map[string]func(context.Context, Request) error{
		"createSecret": r.create,
		"setSecret":    r.set,
		"testSecret":   r.test,
		"finishSecret": r.finish,
	}
	step := steps[request.Step]
	if step == nil {
		return ErrStep
	}
	if err := step(ctx, request); err != nil {
		return fmt.Errorf("rotation: %s of %s: %w", request.Step, request.Secret, err)
	}
	return nil
}

// create prepares the other login, with a new password.
func (r *Rotator) create(ctx context.Context, request Request) error {
	switch _, err := r.secrets.Pending(ctx, request.Secret, request.Token); {
	case err == nil:
		return nil // by an earlier call
	case !errors.Is(err, ErrNoVersion):
		return err
	}
	current, err := r.secrets.Current(ctx, request.Secret)
	if err != nil {
		return err
	}
	next, err := current.next(newPassword())
	if err != nil {
		return err
	}
	return r.secrets.Put(ctx, request.Secret, request.Token, next)
}

// set makes Postgres know the pending login.
func (r *Rotator) set(ctx context.Context, request Request) error {
	pending, err := r.pending(ctx, request)
	if err != nil {
		return err
	}
	username, password, err := r.secrets.Admin(ctx)
	if err != nil {
		return err
	}
	return grant(ctx, pending.as(username, password), pending)
}

// test uses the pending login as the function will.
func (r *Rotator) test(ctx context.Context, request Request) error {
	pending, err := r.pending(ctx, request)
	if err != nil {
		return err
	}
	return try(ctx, pending)
}

func (r *Rotator) finish(ctx context.Context, request Request) error {
	return r.secrets.Promote(ctx, request.Secret, request.Token)
}

// pending returns the pending login, if it is not the one in use: changing that would stop whoever uses it. It may be
// the very version that is in use, when a step comes again after the last; then its password is the one that it has.
func (r *Rotator) pending(ctx context.Context, request Request) (Login, error) {
	pending, err := r.secrets.Pending(ctx, request.Secret, request.Token)
	if err != nil {
		return Login{}, err
	}
	current, err := r.secrets.Current(ctx, request.Secret)
	if err != nil {
		return Login{}, err
	}
	expected, err := current.next(pending.Password)
	if err != nil {
		return Login{}, err
	}
	if current != pending && expected.Username != pending.Username {
		return Login{}, ErrSecret
	}
	return pending, nil
}
