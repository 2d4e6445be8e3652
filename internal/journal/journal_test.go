package journal

import (
	"strings"
	"testing"
	"time"
)

const lines = `{"MESSAGE":"flowstate : TTY=pts/0 ; PWD=/home/flowstate ; USER=root ; COMMAND=/usr/bin/loginctl terminate-user flowstate","_COMM":"sudo","__REALTIME_TIMESTAMP":"1767630602000000"}
{"MESSAGE":"    root : PWD=/ ; USER=flowstate ; COMMAND=/usr/bin/psql postgres://a:hidden@b/c","_COMM":"sudo","__REALTIME_TIMESTAMP":"1767630603000000"}
{"MESSAGE":"pam_unix(sudo:session): session opened for user root(uid=0)","_COMM":"sudo","__REALTIME_TIMESTAMP":"1767630602000001"}
{"MESSAGE":"New session 7 of user flowstate.","_COMM":"systemd-logind","_SYSTEMD_UNIT":"systemd-logind.service","__REALTIME_TIMESTAMP":"1767630601000000"}
{"MESSAGE":"Session 7 logged out. Waiting for processes to exit.","_COMM":"systemd-logind","_SYSTEMD_UNIT":"systemd-logind.service","__REALTIME_TIMESTAMP":"1767630604000000"}
{"MESSAGE":[40,116,111,32,27,91,65,41],"_COMM":"su","__REALTIME_TIMESTAMP":"1767630605000000"}
{"MESSAGE":null,"_COMM":"sudo","__REALTIME_TIMESTAMP":"1767630605000000"}
nonsense
{"MESSAGE":"x : COMMAND=y","__REALTIME_TIMESTAMP":"soon"}
`

func TestParse(t *testing.T) {
	t.Parallel()
	list := parse(strings.NewReader(lines))
	var got []string
	for _, c := range list {
		got = append(got, c.Source+"|"+c.User+"|"+c.Text)
	}
	want := "sudo|flowstate|/usr/bin/loginctl terminate-user flowstate\nsudo|root|/usr/bin/psql postgres://a:…@b/c (as flowstate)\n" +
		"systemd-logind||Session 7 logged out. Waiting for processes to exit.\nsu||(to  [A)"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if !list[0].At.Equal(time.Date(2026, 1, 5, 16, 30, 2, 0, time.UTC)) {
		t.Errorf("at %v", list[0].At.UTC())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(lines)
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parse(strings.NewReader(s)) {
			if len([]rune(c.Text)) > 2*maxText || strings.ContainsAny(c.Text+c.User+c.Source, "\n\x1b") {
				t.Errorf("%+v", c)
			}
		}
	})
}
