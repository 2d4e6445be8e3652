package probe

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keeper/internal/core"
)

// message is one of PostgreSQL's protocol.
func message(kind byte, body string) string {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return string(b) + body
}

func authentication(code byte) string { return message('R', string([]byte{0, 0, 0, code})) }

func pgError(code, text string) string {
	return message('E', "SFATAL\x00VFATAL\x00C"+code+"\x00M"+text+"\x00Fpostmaster.c\x00\x00")
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	sasl := message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")
	hello := authentication(0) + message('S', "server_version\x0017.1\x00") + message('K', "12345678")
	for name, tt := range map[string]struct {
		says   string
		want   core.Condition
		detail string
	}{
		"asks by SCRAM":       {sasl, core.ConditionReady, ""},
		"asks by MD5":         {message('R', "\x00\x00\x00\x05salt"), core.ConditionReady, ""},
		"asks in clear":       {authentication(3), core.ConditionReady, ""},
		"another protocol":    {message('v', "\x00\x00\x00\x00\x00\x00\x00\x00") + sasl, core.ConditionReady, ""},
		"trusts":              {hello + message('Z', "I"), core.ConditionReady, ""},
		"trusts with notices": {strings.Repeat(message('N', "SWARNING\x00C01000\x00Mhm\x00\x00"), 50) + hello + message('Z', "I"), core.ConditionReady, ""},
		"starts":              {pgError("57P03", "the database system is starting up"), core.ConditionStarting, "starting up"},
		"recovers":            {pgError("57P03", "the database system is in recovery mode"), core.ConditionRecovering, "recovery"},
		"is not yet there":    {pgError("57P03", "the database system is not yet accepting connections"), core.ConditionRecovering, ""},
		"stops":               {pgError("57P03", "the database system is shutting down"), core.ConditionStopping, ""},
		"says so in German":   {pgError("57P03", "das Datenbanksystem startet"), core.ConditionRecovering, "startet"},
		"is being stopped":    {hello + pgError("57P01", "terminating connection"), core.ConditionStopping, ""},
		"crashed":             {pgError("57P02", "terminating connection because of crash"), core.ConditionRecovering, ""},
		"has no room":         {pgError("53300", "sorry, too many clients already"), core.ConditionBusy, "too many"},
		"has no memory":       {pgError("53200", "out of memory"), core.ConditionNotReady, "memory"},
		"cannot fork":         {"Ecould not fork new process for connection: no\n\x00", core.ConditionBusy, ""},
		"knows no such user":  {pgError("28000", `role "postgres" does not exist`), core.ConditionAlive, "28000"},
		"no such database":    {pgError("3D000", `database "x" does not exist`), core.ConditionAlive, "3D000"},
		"a pooler":            {pgError("08P01", "no such database: x"), core.ConditionAlive, ""},
		"says it with escape": {pgError("42000", "\x1b[2Jhm\n"+strings.Repeat("m", 3000)), core.ConditionAlive, "?[2Jhm"},

		"a huge length":      {"E\x7f\xff\xff\xff" + strings.Repeat("x", 100), core.ConditionWrong, "protocol"},
		"a negative length":  {"R\xff\xff\xff\xff", core.ConditionWrong, "protocol"},
		"a length too short": {"R\x00\x00\x00\x03", core.ConditionWrong, "protocol"},
		"no code":            {message('E', "SFATAL\x00Mhm\x00\x00"), core.ConditionWrong, "protocol"},
		"an odd code":        {pgError("hmmmm", "hm"), core.ConditionWrong, "protocol"},
		"an empty error":     {message('E', "") + strings.Repeat("x", 16), core.ConditionWrong, "protocol"},
		"an odd way to ask":  {message('R', "\x7f\x00\x00\x00"), core.ConditionWrong, "protocol"},
		"half a question":    {message('R', "\x00\x00"), core.ConditionWrong, "protocol"},
		"ready before":       {message('Z', "I"), core.ConditionWrong, "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbePostgres, says(tt.says))), tt.want, tt.detail)
		})
	}
	t.Run("lets in and hangs", func(t *testing.T) {
		t.Parallel()
		it := target(t, core.ProbePostgres, says(hello))
		it.Timeout = time.Second
		want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionNotReady, "no session")
	})
	t.Run("talks on and on", func(t *testing.T) {
		t.Parallel()
		want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbePostgres, forEver("", message('N', "hm\x00")))), core.ConditionWrong, "on and on")
		want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbePostgres, forEver(hello, message('N', "hm\x00")))), core.ConditionNotReady, "on and on")
	})
}

// The message is what pg_isready's is, and the goodbye said only to a session: to a
// server that waits for a password it is a breach of the protocol, which it logs.
func TestPostgresManners(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ user, database, answer, message, bye string }{
		{"", "", authentication(10), "user\x00postgres\x00database\x00postgres\x00application_name\x00keeper\x00\x00", ""},
		{"u", "", authentication(0) + message('Z', "I"), "user\x00u\x00database\x00u\x00application_name\x00keeper\x00\x00", "X\x00\x00\x00\x04"},
		{"u\x00x", "d", authentication(0) + message('Z', "I"), "user\x00ux\x00database\x00d\x00application_name\x00keeper\x00\x00", "X\x00\x00\x00\x04"},
	} {
		heard := make(chan string, 1)
		it := target(t, core.ProbePostgres, func(c net.Conn) {
			b := make([]byte, 4)
			_, _ = io.ReadFull(c, b)
			rest := make([]byte, binary.BigEndian.Uint32(b)-4)
			_, _ = io.ReadFull(c, rest)
			_, _ = io.WriteString(c, tt.answer)
			bye, _ := io.ReadAll(c)
			heard <- string(rest) + "|" + string(bye)
		})
		it.User, it.Database = tt.user, tt.database
		want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionReady, "")
		if got := <-heard; got != "\x00\x03\x00\x00"+tt.message+"|"+tt.bye {
			t.Errorf("heard %q", got)
		}
	}
}

// A server that logs each question of an unknown user is spared them, but not for
// ever, and not where it matters.
func TestPostgresSparesLogs(t *testing.T) {
	t.Parallel()
	var asked, tls, known atomic.Int32
	it := target(t, core.ProbePostgres, func(c net.Conn) {
		b := make([]byte, 8)
		_, _ = io.ReadFull(c, b)
		switch {
		case b[5] == 0xd2:
			tls.Add(1)
			_, _ = io.WriteString(c, "N")
		case known.Load() > 0:
			asked.Add(1)
			_, _ = io.WriteString(c, authentication(10))
		default:
			asked.Add(1)
			_, _ = io.WriteString(c, pgError("28000", "who?"))
		}
		waits(c)
	})
	var p Prober
	ask := func(thorough bool, condition core.Condition, asks, tlss int32) {
		t.Helper()
		want(t, p.probe(t.Context(), it, thorough), condition, "")
		if asked.Load() != asks || tls.Load() != tlss {
			t.Errorf("asked %d and %d times, want %d and %d", asked.Load(), tls.Load(), asks, tlss)
		}
	}
	ask(false, core.ConditionAlive, 1, 0)
	ask(false, core.ConditionAlive, 1, 1)
	ask(true, core.ConditionAlive, 2, 1)
	ask(false, core.ConditionAlive, 2, 2)
	it.Invocation = "2" // it may have learned
	ask(false, core.ConditionAlive, 3, 2)
	it.User = "other"
	ask(false, core.ConditionAlive, 4, 2)
	ask(false, core.ConditionAlive, 4, 3)
	known.Store(1)
	ask(true, core.ConditionReady, 5, 3)
	ask(false, core.ConditionReady, 6, 3)

	p.refusals = map[string]refusal{it.Unit: {invocation: "2", user: "other", database: "other", until: time.Now().Add(-time.Second)}}
	ask(false, core.ConditionReady, 7, 3)
	for _, answer := range []string{"x", ""} {
		p.refusals = map[string]refusal{it.Unit: {invocation: "1", user: "postgres", database: "postgres", until: time.Now().Add(time.Minute)}}
		want(t, p.probe(t.Context(), target(t, core.ProbePostgres, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 8))
			_, _ = io.WriteString(c, answer)
		}), false), core.ConditionWrong, "")
	}
}

// withPassword writes a password for a target.
func withPassword(t *testing.T, it core.Target, word string) core.Target {
	t.Helper()
	it.PasswordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(it.PasswordFile, []byte(word+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return it
}

// postgresServer asks for the password in clear and says this to it, and that to a
// query.
func postgresServer(word, toQuery string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := readMessage(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, authentication(3))
		if _, err := r.ReadByte(); err != nil {
			return
		}
		body, _ := readMessage(r)
		if string(body) != word+"\x00" {
			_, _ = io.WriteString(c, pgError("28P01", "wrong: "+string(body[:len(body)-1])))
			return
		}
		_, _ = io.WriteString(c, authentication(0)+message('K', "12345678")+message('Z', "I"))
		if kind, _ := r.ReadByte(); kind != 'Q' {
			return
		}
		_, _ = readMessage(r)
		_, _ = io.WriteString(c, toQuery)
		waits(c)
	}
}

func TestPostgresLogin(t *testing.T) {
	t.Parallel()
	const word = "s3cret-pass"
	ok := message('T', "\x00\x00") + message('D', "\x00\x00") + message('C', "SELECT 1\x00") + message('Z', "I")
	scram := message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")
	for name, tt := range map[string]struct {
		serve  func(net.Conn)
		want   core.Condition
		detail string
	}{
		"well":              {postgresServer(word, ok), core.ConditionReady, ""},
		"refuses":           {postgresServer("another", ok), core.ConditionAuthRefused, "wrong: …"},
		"no such database":  {says(pgError("3D000", "no such database")), core.ConditionAuthRefused, "3D000"},
		"recovers":          {says(pgError("57P03", "in recovery mode")), core.ConditionRecovering, ""},
		"no room":           {says(pgError("53300", "no room")), core.ConditionBusy, ""},
		"the query fails":   {postgresServer(word, pgError("42501", "permission denied for "+word)), core.ConditionNotReady, "denied for …"},
		"the query hangs":   {postgresServer(word, ""), core.ConditionNotReady, "a query fails: no answer"},
		"query garbage":     {postgresServer(word, "\x00\x00\x00\x00\x04"), core.ConditionNotReady, "a query fails"},
		"never ends":        {postgresServer(word, strings.Repeat(message('N', strings.Repeat("x", 8000)), 20)), core.ConditionNotReady, "a query fails"},
		"a huge message":    {postgresServer(word, "D\x7f\xff\xff\xff"), core.ConditionNotReady, "a query fails"},
		"garbage":           {says("SSH-2.0-OpenSSH\r\n"), core.ConditionWrong, ""},
		"hangs up":          {func(c net.Conn) { _, _ = c.Read(make([]byte, 100)) }, core.ConditionWrong, ""},
		"silent":            {waits, core.ConditionSilent, ""},
		"rounds and rounds": {roundsAndRounds(scram), core.ConditionNotReady, "too many rounds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := withPassword(t, target(t, core.ProbePostgres, tt.serve), word)
			if it.Timeout = 20 * time.Second; strings.Contains(name, "hangs") || name == "silent" {
				it.Timeout = time.Second
			}
			got := (&Prober{}).Probe(t.Context(), it)
			want(t, got, tt.want, tt.detail)
			if strings.Contains(got.Detail, word) {
				t.Errorf("the password is in %q", got.Detail)
			}
		})
	}
	it := withPassword(t, core.Target{Supervision: core.Supervision{Probe: core.ProbePostgres, Address: "127.0.0.1:1"}}, word)
	want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionRefused, "")
	it.Address, it.Port = "", 1
	want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionUnknown, "way into")
}

// roundsAndRounds is a server that would keep its clients busy.
func roundsAndRounds(scram string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		_, _ = readMessage(r)
		_, _ = io.WriteString(c, scram)
		if _, err := r.ReadByte(); err != nil {
			return
		}
		first, err := readMessage(r)
		if err != nil {
			return
		}
		_, nonce, _ := strings.Cut(string(first), "r=")
		_, _ = io.WriteString(c, message('R', "\x00\x00\x00\x0br="+nonce+"xyz,s=QSXCR+Q6sek8bf92,i=2000000000"))
		waits(c)
	}
}

func FuzzPostgres(f *testing.F) {
	for _, s := range []string{"", pgError("57P03", "x"), authentication(0) + message('Z', "I"), authentication(10), "Ecould not fork\x00", message('E', "C")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readStartUp(bufio.NewReaderSize(strings.NewReader(string(b)), 1024))
		if err == nil && (got.Condition == "" || !got.Condition.Alive()) {
			t.Errorf("%q is %v", b, got)
		}
		if len(got.Detail) > maxDetail+8 {
			t.Errorf("%q", got.Detail)
		}
	})
}
