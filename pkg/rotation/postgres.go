package rotation

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// errNotMember says that a login got in, and may do nothing there.
var errNotMember = errors.New("the login is not a member of the function's role")

// newPassword returns 26 characters of base32: 128 random bits, and nothing that a URL would have to escape.
func newPassword() string { return rand.Text() }

// commands make the login, or give it its new password, and make it a member of the function's role.
const commands = `SELECT
    CASE WHEN to_regrole(quote_ident($1::text)) IS NULL THEN format('CREATE ROLE %I; ', $1::text) ELSE '' END ||
    format('ALTER ROLE %I LOGIN PASSWORD %L; GRANT %I TO %I', $1::text, $2::text, $3::text, $1::text)`

// grant makes Postgres know the login. The statements have no parameters, as Postgres takes none there, and are one
// transaction.
func grant(ctx context.Context, admin string, l Login) error {
	conn, err := connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	verifier, err := scram(l.Password)
	if err != nil {
		return err
	}
	var quoted string
	if err := conn.QueryRow(ctx, commands, l.Username, verifier, l.Role).Scan(&quoted); err != nil {
		return fmt.Errorf("prepare the login: %w", err)
	}
	if _, err := conn.Exec(ctx, quoted); err != nil {
		return fmt.Errorf("grant the login: %w", err)
	}
	return nil
}

// try gets in as the login, and asks whether it may do what the function does.
func try(ctx context.Context, l Login) error {
	conn, err := connect(ctx, l.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var member bool
	if err := conn.QueryRow(ctx, `SELECT pg_has_role(current_user, $1, 'USAGE')`, l.Role).Scan(&member); err != nil {
		return fmt.Errorf("try the login: %w", err)
	}
	if !member {
		return errNotMember
	}
	return nil
}

// connect returns a connection; its error does not say what is in the URL.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrSecret
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

const (
	scramRounds = 4096 // Postgres's own default
	scramSalt   = 16
)

// scram returns what Postgres keeps of a password (RFC 5803), so that the password itself is not in the statement.
func scram(password string) (string, error) {
	salt := make([]byte, scramSalt)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a verifier: %w", err)
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	text := base64.StdEncoding.EncodeToString
	server := keyed(salted, "Server Key")
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramRounds, text(salt), text(stored[:]), text(server)), nil
}

func keyed(key []byte, word string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(word))
	return mac.Sum(nil)
}
