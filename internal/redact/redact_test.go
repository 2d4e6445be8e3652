package redact

import (
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                                                      "",
		"loginctl terminate-user flowstate":                     "loginctl terminate-user flowstate",
		"mysql --password=hunter2 db":                           "mysql --password=*** db",
		"mysql --password hunter2 db":                           "mysql --password *** db",
		"mysql --password --user root":                          "mysql --password --user root",
		"mysql -uroot -phunter2 db":                             "mysql -uroot -p*** db",
		"/usr/bin/mysqldump -p db":                              "/usr/bin/mysqldump -p db",
		"ps -parent; ssh -p2222 host":                           "ps -parent; ssh -p2222 host",
		"sshpass -p hunter2 ssh -p 22 h":                        "sshpass -p *** ssh -p ** h", // too much rather than too little
		"podman login -u me -p hunter2 quay":                    "podman login -u me -p *** quay",
		"redis-cli -a hunter2 info":                             "redis-cli -a *** info",
		"redis-cli -h cache -ahunter2":                          "redis-cli -h cache -a***",
		"PGPASSWORD=hunter2 psql":                               "PGPASSWORD=*** psql",
		`PGPASSWORD="a b c" psql -h x`:                          "PGPASSWORD=*** psql -h x",
		`PGPASSWORD="a \" b" psql`:                              "PGPASSWORD=*** psql",
		"env MYSQL_PWD=x mysql":                                 "env MYSQL_PWD=* mysql",
		"redis-server --requirepass hunter2":                    "redis-server --requirepass ***",
		"DB_PASS=hunter2 run":                                   "DB_PASS=*** run",
		"podman run -e POSTGRES_PASSWORD=abc":                   "podman run -e POSTGRES_PASSWORD=***",
		"podman run -e POSTGRES_PASSWORD_FILE=/run/secrets/x y": "podman run -e POSTGRES_PASSWORD_FILE=/run/secrets/x y",
		"podman login --password-stdin quay.io":                 "podman login --password-stdin quay.io",
		"AWS_SECRET_ACCESS_KEY=abcdef aws s3 ls":                "AWS_SECRET_ACCESS_KEY=*** aws s3 ls",
		"curl -u me:hunter2 https://h/":                         "curl -u me:*** https://h/",
		"curl -ume:hunter2 https://h/":                          "curl -ume:*** https://h/",
		"curl --user me https://h/":                             "curl --user me https://h/",
		`curl -H "Authorization: Bearer abcdef" https://h/x`:    `curl -H "Authorization: Bearer *** https://h/x`,
		`curl -H 'PRIVATE-TOKEN: abcdef' https://h/x`:           `curl -H 'PRIVATE-TOKEN: *** https://h/x`,
		`curl -d {"password":"a b","user":"me"} h`:              `curl -d {"password":*** h`,
		"psql postgres://me:hunter2@db:5432/ledger":             "psql postgres://me:***@db:5432/ledger",
		"psql postgres://me:hun/t@er2@db/ledger":                "psql postgres://me:***@db/ledger",
		"git clone ssh://git@github.com/x":                      "git clone ssh://git@github.com/x",
		"git clone https://0123456789abcdef0123@github.com/x":   "git clone https://***@github.com/x",
		"curl https://h/?a=1&token=abcdef&b=2":                  "curl https://h/?a=1&token=***",
		"curl http://127.0.0.1:8000/readyz":                     "curl http://127.0.0.1:8000/readyz",
		"export GH=ghp_0123456789abcdef0123":                    "export GH=***",
		"see the task-force sk-learn":                           "see the task-force sk-learn",
		"openssl rsa -passin pass:hunter2":                      "openssl rsa -passin pass:***",
		"boss : TTY=pts/0 ; PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/mysql -phunter2": "boss : TTY=pts/0 ; PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/mysql -p***",
		"pam_unix(su:auth): authentication failure; logname=flowstate uid=1000":            "pam_unix(su:auth): authentication failure; logname=flowstate uid=1000",
	} {
		if got := String(line); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"mysql -phunter2 --password=x", `Authorization: Bearer "x`, "a://b:c@d", "token: Basic x", "curl -u a:b", "sk-0123456789abcdefgh", "PASS='\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := String(line)
		if len(got) > len(line) {
			t.Errorf("%q grew to %q", line, got)
		}
		if again := String(got); again != got {
			t.Errorf("%q: %q, and again %q", line, got, again)
		}
		// Whatever the line, a password beside it is gone.
		if out := String("--password=verysecretword " + line); strings.Contains(out, "verysecretword") && !strings.Contains(line, "verysecretword") {
			t.Errorf("%q shows a password", out)
		}
	})
}
