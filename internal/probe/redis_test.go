package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// redisServer answers commands, by their words.
func redisServer(answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			var n int
			if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
				return
			}
			var words []string
			for range n {
				word, err := readReply(r)
				if err != nil {
					return
				}
				words = append(words, strings.TrimPrefix(word, "$"))
			}
			answer, ok := answers[strings.Join(words, " ")]
			if !ok {
				answer = "-ERR unknown command '" + strings.Join(words, "' '") + "'\r\n"
			}
			_, _ = io.WriteString(c, answer)
		}
	}
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func TestRedis(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says   string
		want   core.Condition
		detail string
	}{
		"ready":         {"+PONG\r\n", core.ConditionReady, ""},
		"has a secret":  {"-NOAUTH Authentication required.\r\n", core.ConditionAlive, "password"},
		"loads":         {"-LOADING Redis is loading the dataset in memory\r\n", core.ConditionLoading, "dataset"},
		"runs a script": {"-BUSY Redis is busy running a script.\r\n", core.ConditionBusy, "script"},
		"no master":     {"-MASTERDOWN Link with MASTER is down\r\n", core.ConditionNotReady, "MASTER"},
		"cannot save":   {"-MISCONF Redis is configured to save RDB snapshots, but\r\n", core.ConditionNotReady, "disk"},
		"no room":       {"-ERR max number of clients reached\r\n", core.ConditionBusy, "clients"},
		"protected":     {"-DENIED Redis is running in protected mode\r\n", core.ConditionAlive, "DENIED"},
		"not permitted": {"-NOPERM this user has no permissions\r\n", core.ConditionAlive, "NOPERM"},
		"escapes":       {"-ERR \x1b[2J\r\n", core.ConditionAlive, "?[2J"},

		"another answer":   {"+OK\r\n", core.ConditionWrong, "protocol"},
		"a number":         {":1\r\n", core.ConditionWrong, "protocol"},
		"an error of mail": {"-bad command\r\n", core.ConditionWrong, "protocol"},
		"a bare minus":     {"-\r\n", core.ConditionWrong, "protocol"},
		"no line":          {"\r\n", core.ConditionWrong, "protocol"},
		"a bare newline":   {"+PONG\n", core.ConditionWrong, "protocol"},
		"a huge bulk":      {"$999999999999\r\n", core.ConditionWrong, "protocol"},
		"a negative bulk":  {"$-1\r\n", core.ConditionWrong, "protocol"},
		"an odd bulk":      {"$4\r\nPONGxx", core.ConditionWrong, "protocol"},
		"an array":         {"*1000000\r\n", core.ConditionWrong, "protocol"},
		"HTTP":             {"HTTP/1.1 400 Bad Request\r\n\r\n", core.ConditionWrong, "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbeRedis, says(tt.says))), tt.want, tt.detail)
		})
	}
	want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbeRedis, forEver("-ERR ", "aaaa"))), core.ConditionWrong, "protocol")
	want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbeRedis, redisServer(map[string]string{"PING": "+PONG\r\n"}))), core.ConditionReady, "")
}

func TestRedisWithPassword(t *testing.T) {
	t.Parallel()
	const word = "s3cret-pass"
	info := func(loading, rdb, aof string) string {
		return bulk("# Persistence\r\nloading:" + loading + "\r\nasync_loading:0\r\nrdb_last_bgsave_status:" + rdb + "\r\nloading_loaded_perc:42.1\r\naof_last_write_status:" + aof + "\r\n")
	}
	with := func(auth, ping, info string) map[string]string {
		return map[string]string{"AUTH " + word: auth, "PING": ping, "INFO persistence": info}
	}
	for name, tt := range map[string]struct {
		answers map[string]string
		want    core.Condition
		detail  string
	}{
		"well":          {with("+OK\r\n", "+PONG\r\n", info("0", "ok", "ok")), core.ConditionReady, ""},
		"has none":      {with("-ERR AUTH <password> called without any password configured\r\n", "+PONG\r\n", info("0", "ok", "ok")), core.ConditionReady, ""},
		"had none once": {with("-ERR Client sent AUTH, but no password is set\r\n", "+PONG\r\n", info("0", "ok", "ok")), core.ConditionReady, ""},
		"refuses":       {with("-WRONGPASS invalid username-password pair: "+word+"\r\n", "", ""), core.ConditionAuthRefused, "refuses"},
		"repeats":       {map[string]string{"PING": "+PONG\r\n"}, core.ConditionAlive, "AUTH: ERR"},
		"no room":       {with("-ERR max number of clients reached\r\n", "", ""), core.ConditionBusy, ""},
		"loads already": {with("-LOADING Redis is\r\n", "", ""), core.ConditionLoading, ""},
		"loads":         {with("+OK\r\n", "-LOADING Redis is\r\n", ""), core.ConditionLoading, ""},
		"loads on":      {with("+OK\r\n", "+PONG\r\n", info("1", "ok", "ok")), core.ConditionLoading, "42.1 %"},
		"cannot save":   {with("+OK\r\n", "+PONG\r\n", info("0", "err", "ok")), core.ConditionNotReady, "rdb_last_bgsave_status:err"},
		"cannot write":  {with("+OK\r\n", "+PONG\r\n", info("0", "ok", "err\x1b")), core.ConditionNotReady, "aof_last_write_status:err?"},
		"tells nothing": {with("+OK\r\n", "+PONG\r\n", bulk("# Nothing\r\n")), core.ConditionAlive, "persistence"},
		"may not ask":   {with("+OK\r\n", "+PONG\r\n", "-NOPERM no\r\n"), core.ConditionAlive, "NOPERM"},
		"huge":          {with("+OK\r\n", "+PONG\r\n", "$2000000000\r\n"), core.ConditionNotReady, "not INFO"},
		"no PONG":       {with("+OK\r\n", ":1\r\n", ""), core.ConditionWrong, ""},
		"hangs at INFO": {with("+OK\r\n", "+PONG\r\n", ""), core.ConditionNotReady, "no answer"},
		"hangs at PING": {with("+OK\r\n", "", ""), core.ConditionSilent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := withPassword(t, target(t, core.ProbeRedis, redisServer(tt.answers)), word)
			if strings.HasPrefix(name, "hangs") {
				it.Timeout = time.Second
			}
			got := (&Prober{}).Probe(t.Context(), it)
			want(t, got, tt.want, tt.detail)
			if strings.Contains(got.Detail, word) {
				t.Errorf("the password is in %q", got.Detail)
			}
		})
	}
	it := withPassword(t, target(t, core.ProbeRedis, redisServer(map[string]string{
		"AUTH me " + word: "+OK\r\n", "PING": "+PONG\r\n", "INFO persistence": info("0", "ok", "ok"),
	})), word)
	it.User = "me"
	want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionReady, "")
}

func FuzzRedis(f *testing.F) {
	for _, s := range []string{"", "+PONG\r\n", "-NOAUTH x\r\n", "$4\r\nPONG\r\n", "$-1\r\n", bulk("loading:0\r\naof_last_write_status:err\r\n")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, err := readReply(bufio.NewReaderSize(strings.NewReader(string(b)), 256))
		if err != nil {
			return
		}
		if len(reply) > maxReply+1 {
			t.Errorf("%d bytes", len(reply))
		}
		got, err := pinged(reply)
		if err == nil && !got.Condition.Alive() || len(got.Detail) > maxDetail+8 {
			t.Errorf("%q is %v", b, got)
		}
		if got := persists(reply); !got.Condition.Alive() || len(got.Detail) > maxDetail+8 {
			t.Errorf("%q is %v", b, got)
		}
	})
}
