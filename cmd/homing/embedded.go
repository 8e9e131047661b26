package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/homing-hooks/homing/pkg/embedded"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
)

// embed starts the private Postgres, brings its schema up to date, and reads or makes the encryption key.
func (s *serving) embed(ctx context.Context) error {
	dir := s.cfg.DataDirectory()
	if dir == "" {
		return errors.New("there is no home directory to keep data in: set HOMING_DATA_DIR")
	}
	db, err := embedded.Start(ctx, embedded.Config{DataDir: dir, Logger: s.log, Out: s.out})
	if errors.Is(err, embedded.ErrLocked) {
		return fmt.Errorf("another Homing runs there: stop it, or name another directory with --data-dir: %w", err)
	}
	if err != nil {
		return fmt.Errorf("the private Postgres cannot be started: %w", err)
	}
	s.closers = append(s.closers, db.Stop)
	s.databaseEnded = db.Done()
	if _, err := postgres.Migrate(ctx, db.URL()); err != nil {
		return err
	}
	keys, err := readFile(dir, fileEncryptionKeys)
	if err != nil {
		return err
	}
	if keys == "" {
		var key [32]byte
		_, _ = rand.Read(key[:]) // never fails: since Go 1.24 it ends the process instead
		keys = "k1:" + base64.StdEncoding.EncodeToString(key[:])
		if err := writeFile(dir, fileEncryptionKeys, keys); err != nil {
			return err
		}
	}
	if err := writeFile(dir, fileDatabaseURL, db.URL()); err != nil {
		return err
	}
	return s.cfg.Embed(db.URL(), keys)
}

// firstStart makes the tenant "default", its API key and an operator's unless they are there, and writes where this
// Homing is.
func (s *serving) firstStart(ctx context.Context, dir store.Directory, base string) error {
	data := s.cfg.DataDirectory()
	if err := writeFile(data, fileAddress, base); err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { return os.Remove(filepath.Join(data, fileAddress)) })
	s.forgetDemo(ctx, dir)
	return s.firstKeys(ctx, dir)
}

// writeFile writes a file of the data directory that only its owner may read, all or nothing.
func writeFile(dir, name, text string) error {
	temporary, err := os.CreateTemp(dir, name+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(text + "\n")
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, name))
}
