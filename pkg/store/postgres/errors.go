package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/homing-hooks/homing/pkg/store"
)

// SQLSTATEs that are looked at one by one (PostgreSQL documentation, appendix A).
const (
	codeCheckViolation  = "23514"
	codeUniqueViolation = "23505"
	codeForeignKey      = "23503"
	codeReadOnly        = "25006"
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeLockTimeout     = "55P03"
	codeQueryCanceled   = "57014"
	codeUndefinedTable  = "42P01"
	codePrivilege       = "42501"
)

// classify is the one place where the driver's errors become the store's. What comes out wraps a sentinel of package
// store or a context error, never a driver's error, and its text has no value of a row in it: of what the server says
// only the code is kept when the message may quote data.
func classify(op string, err error) error {
	var server *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case isOurs(err):
		return fmt.Errorf("store: %s: %w", op, err)
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("store: %s: %w", op, store.ErrNotFound)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("store: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("store: %s: %w: %w", op, store.ErrUnavailable, context.DeadlineExceeded)
	case errors.As(err, &server):
		return fmt.Errorf("store: %s: %w", op, classifyServer(server))
	case isConnection(err):
		// Its text may name user and host, which belong in no answer to anybody: only the innermost error is told.
		return fmt.Errorf("store: %s: %w: %s", op, store.ErrUnavailable, innermost(err))
	default:
		// A mistake between this package and the driver, such as a value of the wrong type.
		return fmt.Errorf("store: %s: %s", op, innermost(err))
	}
}

// isConnection reports whether it is the connection that failed: refused, reset, closed under way.
func isConnection(err error) bool {
	var network net.Error
	return isConnect(err) || errors.As(err, &network) || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, puddle.ErrClosedPool)
}

// isOurs reports whether an error is one of the store's own already.
func isOurs(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInvalid) ||
		errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) ||
		errors.Is(err, errSealing)
}

func classifyServer(e *pgconn.PgError) error {
	class := e.Code[:min(2, len(e.Code))]
	switch {
	case e.Code == codeUniqueViolation:
		return fmt.Errorf("%w: %s", store.ErrConflict, e.ConstraintName)
	case e.Code == codeForeignKey:
		return fmt.Errorf("%w: %s", store.ErrNotFound, e.ConstraintName)
	case class == "22", class == "23":
		return fmt.Errorf("%w: SQLSTATE %s %s", store.ErrInvalid, e.Code, e.ConstraintName)
	case isUnavailable(e.Code, class):
		return fmt.Errorf("%w: SQLSTATE %s", store.ErrUnavailable, e.Code)
	default:
		// A mistake in a statement, in the schema or in the grants: the message names these, not data.
		return fmt.Errorf("%s (SQLSTATE %s)", e.Message, e.Code)
	}
}

// isUnavailable reports whether a code means that the server cannot do it just now.
func isUnavailable(code, class string) bool {
	switch class {
	case "08", // connection
		"53", // out of connections, memory, disk
		"57", // shutting down, starting up, cancelled
		"58": // its system: a file, an I/O error
		return true
	}
	switch code {
	case codeReadOnly, // a standby, or a failover that has not come to its end
		codeSerialization, codeDeadlock, // after the retries
		codeLockTimeout,
		"25P03", "25P04", // idle in transaction, transaction timeout
		"28000", "28P01", // a password that is being changed
		"3D000": // a database that is not there yet
		return true
	}
	return false
}

// retryable reports whether a statement may be repeated at once: the server undid it to let another one pass, or it
// never reached the server.
func retryable(err error) bool {
	return hasCode(err, codeSerialization) || hasCode(err, codeDeadlock) || pgconn.SafeToRetry(err) && !isConnect(err)
}

// isConnect reports whether no connection could be made at all.
func isConnect(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

func hasCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}

// isPoison reports whether one of the values sent is to blame, so that the others may still be stored.
func isPoison(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23"))
}

// noPartition reports whether a row found no partition. Postgres gives it the code of a check violation; a real one
// names its constraint.
func noPartition(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == codeCheckViolation && e.ConstraintName == ""
}

// innermost returns the text of the last error of a chain.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			if all := joined.Unwrap(); len(all) > 0 {
				next = all[len(all)-1]
			}
		}
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
