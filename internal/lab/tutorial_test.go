package lab

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "have docs/tutorial.md show what its commands print here")

const tutorial = "../../docs/tutorial.md"

// notRunMost is how many blocks of the tutorial may be left out of the test.
const notRunMost = 2

// publicImages puts in the place of the lab's images, which have their passwords from the
// demo stack's secrets, what takes the same environment and words as the public ones. No
// registry is within reach of a host.
const publicImages = `
podman build -q --network=host --pull=never -t docker.io/library/redis:8 - <<'END'
FROM docker.io/library/redis:8
ENTRYPOINT ["sh", "-c", "exec \"$0\" \"$@\" --bind '*' --protected-mode no"]
CMD ["redis-server"]
END
podman build -q --network=host --pull=never -t docker.io/library/postgres:17 - <<'END'
FROM docker.io/library/postgres:17
USER root
RUN sed -i 's/=ledger /=postgres /; s/local=peer/local=trust/; s/CREATE DATABASE ledger/SELECT 1/; s|/run/secrets/postgres-password|/dev/shm/password|' /usr/local/bin/entrypoint.sh
ENTRYPOINT ["sh", "-c", "echo \"$POSTGRES_PASSWORD\" >/dev/shm/password; exec setpriv --reuid postgres --regid postgres --init-groups sh /usr/local/bin/entrypoint.sh \"$0\" \"$@\""]
CMD ["postgres"]
END
`

// terminal is somebody's login session with a shell in it, which a command is typed
// into and whose answer is read.
type terminal struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func (h *Host) openTerminal(ctx context.Context, user string) (*terminal, error) {
	// A pipe of the kernel's: with any other, the end of the session would not be
	// noticed before the next line is typed.
	in, typed, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, printed := io.Pipe()
	cmd, err := h.start(ctx, Exec{User: user, Login: true, Stdin: in, Stdout: printed, Stderr: printed}, "bash")
	if err != nil {
		typed.Close()
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // a session that is terminated has no status to speak of
		printed.Close()
		typed.Close()
	}()
	return &terminal{in: typed, out: bufio.NewReader(out)}, nil
}

// errEnded says that the session ended under the command.
var errEnded = errors.New("the session has ended")

// run types the command and returns what it printed, errors included, and its exit code.
func (s *terminal) run(ctx context.Context, line string) (string, int, error) {
	// In the shell itself, so that cd and export last; and with an input of its own,
	// or it would read what is typed next.
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null\nprintf '\\036%%d\\036' $?\n", line); err != nil {
		return "", 0, errEnded
	}
	type answer struct {
		out  string
		code int
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		out, err := s.out.ReadString('\036')
		code, last := s.out.ReadString('\036')
		if err != nil || last != nil {
			answered <- answer{out: out, err: errEnded}
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(code, "\036"))
		answered <- answer{out: strings.TrimSuffix(out, "\036"), code: n, err: err}
	}()
	select {
	case a := <-answered:
		return a.out, a.code, a.err
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
}

// reader is the person who follows the document: one terminal as the account, and one
// as root.
type reader struct {
	h         *Host
	terminals map[string]*terminal
}

func (r *reader) run(ctx context.Context, c command) (string, int, error) {
	user := User
	if c.root {
		user = "root"
	}
	if r.terminals[user] == nil {
		s, err := r.h.openTerminal(ctx, user)
		if err != nil {
			return "", 0, err
		}
		r.terminals[user] = s
	}
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, code, err := r.terminals[user].run(limit, c.text)
	if err != nil {
		r.terminals[user] = nil // and logs in again
	}
	return out, code, err
}

// follow runs a block and returns what each command printed, and what is wrong.
func (r *reader) follow(ctx context.Context, b *block, printed map[*command][]string) (wrong []string) {
	for i := range b.commands {
		c, last := &b.commands[i], i == len(b.commands)-1
		var out, why string
		for begin := time.Now(); ; {
			var code int
			var err error
			out, code, err = r.run(ctx, *c)
			why = differs(c.shown, strings.Split(out, "\n"))
			switch ended := errors.Is(err, errEnded); {
			case ended && (!b.ends || !last):
				why = "the session has ended"
			case err != nil && !ended:
				why = err.Error()
			case !ended && b.ends && last:
				why = "the session goes on"
			case !ended && !b.mayExit(code, last):
				why = fmt.Sprintf("exit code %d", code)
			}
			if why == "" || !b.again || time.Since(begin) > 30*time.Second || pause(ctx, 300*time.Millisecond) != nil {
				break
			}
		}
		printed[c] = strings.Split(strings.TrimRight(out, "\n"), "\n")
		if why != "" {
			wrong = append(wrong, fmt.Sprintf("docs/tutorial.md, line %d: %s\n  %s\nIt printed\n%s", c.first, c.text, why, out))
		}
	}
	return wrong
}

// mayExit says whether a command of the block may end so.
func (b *block) mayExit(code int, last bool) bool {
	if last && b.exits != nil {
		return slices.Contains(b.exits, code)
	}
	return code == 0
}

// TestTutorial types what the tutorial has typed, as its reader does, and sees what
// that shows to its reader. Where it differs, go test -run TestTutorial -update has the
// document show what was printed; look at it, and put … where every run differs.
func TestTutorial(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(tutorial)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDocument(string(text))
	if err != nil {
		t.Fatalf("docs/tutorial.md: %v", err)
	}
	h := testHost(t, Options{Name: "tutorial", Images: true})
	ctx := within(t, 4*time.Minute)
	files := downloads(t)
	for user, home := range map[string]string{User: "/home/" + User, "root": "/root"} {
		if err := h.CopyIn(ctx, user, home, bytes.NewReader(files)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Run(ctx, Exec{User: User, Login: true, Stdin: strings.NewReader(publicImages), Stderr: t.Output()}, "sh", "-eu"); err != nil {
		t.Fatal(err)
	}
	r := reader{h: h, terminals: map[string]*terminal{}}
	printed := map[*command][]string{}
	notRun := 0
	for i := range d.blocks {
		b := &d.blocks[i]
		if b.notRun != "" {
			notRun++
			t.Logf("line %d is not run: %s", b.line, b.notRun)
			continue
		}
		begin := time.Now()
		if i > 0 && d.blocks[i-1].ends {
			// A login that comes while it stops would bring it back itself.
			await(t, 30*time.Second, "the user manager is there again, before somebody logs in", func(ctx context.Context) bool {
				out, err := h.Output(ctx, "systemctl", "show", "--value", "--property=ActiveState,Job", fmt.Sprintf("user@%d.service", UID))
				return err == nil && slices.Equal(strings.Fields(out), []string{"active"})
			})
		}
		wrong := r.follow(ctx, b, printed)
		for _, w := range wrong {
			t.Error(w)
		}
		t.Logf("line %d: %.1f s", b.line, time.Since(begin).Seconds())
		if len(wrong) > 0 && !*update {
			return // what follows stands on it
		}
	}
	if notRun > notRunMost {
		t.Errorf("%d blocks of the tutorial are not run; %d may be", notRun, notRunMost)
	}
	if *update {
		if err := os.WriteFile(tutorial, []byte(d.update(printed)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// downloads is what the reader has downloaded: a release's tarball, laid out as make
// dist does it, and its check sum.
func downloads(t *testing.T) []byte {
	t.Helper()
	const name = "keeper-1.0.0-linux-amd64"
	var flat, packed, all bytes.Buffer
	if err := tarKeeper(&flat, testKeeper(t)); err != nil {
		t.Fatal(err)
	}
	from, z := tar.NewReader(&flat), gzip.NewWriter(&packed)
	to := tar.NewWriter(z)
	for {
		head, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		head.Name = name + "/" + head.Name
		if err := to.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(to, from, head.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(&all)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{name + ".tar.gz", packed.Bytes()},
		{"SHA256SUMS", fmt.Appendf(nil, "%x  %s.tar.gz\n", sha256.Sum256(packed.Bytes()), name)},
	} {
		if err := files.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}
