package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Hook()
	code := m.Run()
	if earlier != "" {
		_ = os.RemoveAll(earlier)
	}
	os.Exit(code)
}

// required says whether KEEPER_TEST_REQUIRE names what the test needs: then a
// test that cannot run fails where it would skip.
func required(what string) bool {
	return slices.Contains(strings.Split(os.Getenv("KEEPER_TEST_REQUIRE"), ","), what)
}

// testKeeper is the program that the tests install: bin/keeper, as built by make.
func testKeeper(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/keeper")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("no keeper to test: %v (make build)", err)
	}
	return path
}

// testHost boots a host for the test and takes it down after it.
func testHost(t *testing.T, o Options) *Host {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a host: not in short mode")
	}
	o.Name = fmt.Sprintf("t%d-%s", os.Getpid(), o.Name)
	o.Tied = true
	begin := time.Now()
	o.Say = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "lab %6.1fs  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	h, err := Up(context.Background(), o)
	if errors.Is(err, ErrCannotHost) && !required("lab") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Down(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// within is a context that ends after d, and with the test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must returns what a call returned, or ends the test.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// await waits until the condition holds, and returns how long that took.
func await(t *testing.T, limit time.Duration, what string, holds func(ctx context.Context) bool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begin := time.Now()
	for !holds(ctx) {
		if pause(ctx, 20*time.Millisecond) != nil {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
	return time.Since(begin)
}
