package probe

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keeper/internal/core"
)

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	file("cred", "word", 0o400)
	for name, tt := range map[string]struct {
		s         core.Supervision
		dir       string
		word, err string
	}{
		"none":             {core.Supervision{}, "", "", ""},
		"a file":           {core.Supervision{PasswordFile: file("a", " wo rd \r\n", 0o640)}, "", " wo rd ", ""},
		"for everybody":    {core.Supervision{PasswordFile: file("b", "word", 0o644)}, "", "", "anybody may read"},
		"empty":            {core.Supervision{PasswordFile: file("c", "\n", 0o600)}, "", "", "no password in"},
		"long":             {core.Supervision{PasswordFile: file("d", strings.Repeat("x", (4<<10)+1), 0o600)}, "", "", "longer than"},
		"missing":          {core.Supervision{PasswordFile: filepath.Join(dir, "nope")}, "", "", "no such file"},
		"a directory":      {core.Supervision{PasswordFile: dir}, "", "", "no regular file"},
		"a FIFO":           {core.Supervision{PasswordFile: fifo}, "", "", "no regular file"},
		"a credential":     {core.Supervision{Credential: "cred"}, dir, "word", ""},
		"no credentials":   {core.Supervision{Credential: "cred"}, "", "", "LoadCredential=cred:FILE"},
		"a way out":        {core.Supervision{Credential: "../cred"}, filepath.Join(dir, "x"), "", "name of a credential"},
		"a way up":         {core.Supervision{Credential: ".."}, dir, "", "name of a credential"},
		"no such":          {core.Supervision{Credential: "other"}, dir, "", "no such file"},
		"the file is said": {core.Supervision{Credential: "cred", PasswordFile: file("e", "file", 0o600)}, dir, "file", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CREDENTIALS_DIRECTORY", tt.dir)
			word, err := password(tt.s)
			if word != tt.word || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, %v; want %q, %q", word, err, tt.word, tt.err)
			}
		})
	}
}

// Whether it lives is told without the password; how ready it is is not.
func TestPasswordMissing(t *testing.T) {
	t.Parallel()
	bad := core.Supervision{PasswordFile: "/nonexistent/password", Ready: "/readyz"}
	for _, tt := range []struct {
		kind   core.ProbeKind
		says   string
		want   core.Condition
		detail string
	}{
		{core.ProbePostgres, authentication(10), core.ConditionUnknown, "/nonexistent/password"},
		{core.ProbePostgres, pgError("57P03", "starting up"), core.ConditionStarting, ""},
		{core.ProbePostgres, "garbage", core.ConditionWrong, ""},
		{core.ProbeRedis, "-NOAUTH x\r\n", core.ConditionUnknown, "/nonexistent/password"},
		{core.ProbeRedis, "-LOADING x\r\n", core.ConditionLoading, ""},
		{core.ProbeRedis, "garbage", core.ConditionWrong, ""},
		{core.ProbeHTTP, "HTTP/1.1 200 OK\r\n\r\n", core.ConditionUnknown, "/nonexistent/password"},
		{core.ProbeHTTP, "garbage, to be sure\r\n\r\n", core.ConditionWrong, ""},
	} {
		it := target(t, tt.kind, says(tt.says))
		it.PasswordFile, it.Ready = bad.PasswordFile, bad.Ready
		want(t, (&Prober{}).Probe(t.Context(), it), tt.want, tt.detail)
	}
}
