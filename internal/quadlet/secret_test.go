package quadlet

import (
	"strings"
	"testing"
)

func TestLooksSecret(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"POSTGRES_PASSWORD=x", "my_passwd=x", "AWS_SECRET_ACCESS_KEY=x", "GITHUB_TOKEN=x", "API_KEY=x", "SSH_PRIVATE_KEY=x", "DB_PASS=x", "REDIS_PWD=x", "AWS_ACCESS_KEY_ID=x",
		"URL=postgres://bob:pw@db/x", "U=amqp://a:b@h", "BAD=postgres://bob:p%zz@db/x", "BAD=postgres://bob:p/w@db/x", "REDIS=redis://:p@cache:6379",
	} {
		if key, value, _ := strings.Cut(s, "="); !LooksSecret(key, value) {
			t.Errorf("%s is no secret", s)
		}
	}
	for _, s := range []string{"PASSWORD=", "POSTGRES_PASSWORD_FILE=/run/secrets/x", "HOST=db", "URL=http://host/x", "URL=http://bob@host/x", "MAIL=a@b.c", "KEY=x", "PASSENGER=x", "TOKEN_TTL=5", "ACCESS_TOKEN_EXPIRE_MINUTES=30", "JWT_ALGORITHM=HS256", "URL=http://host:80/a@b", "URL=http://[::1]:80/a@b"} {
		if key, value, _ := strings.Cut(s, "="); LooksSecret(key, value) {
			t.Errorf("%s is a secret", s)
		}
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Environment=DB_PASSWORD=hunter2\n":                          "Environment=DB_PASSWORD=…\n",
		"+Environment=DB_PASSWORD=hunter2\n":                         "+Environment=DB_PASSWORD=…\n",
		"Environment=\"DB_PASSWORD=hunter 2\"\n":                     "Environment=DB_PASSWORD=…\n",
		"Environment=URL=postgres://u:hunter2@db/x\n":                "Environment=URL=…\n",
		"Environment=A=1 DB_PASSWORD=hunter2 B=2\n":                  "Environment=…\n",
		"Environment=A=1 \"DB_PASSWORD=hunter2 x\"\n":                "Environment=…\n",
		"PodmanArgs=\"--env=API_TOKEN=hunter2\\nhunter2\"\n":         "PodmanArgs=\"--env=API_TOKEN=…\n",
		"Environment=DB_PASSWORD_FILE=/run/secrets/p\n":              "Environment=DB_PASSWORD_FILE=/run/secrets/p\n",
		"Environment=COLOUR=blue\n":                                  "Environment=COLOUR=blue\n",
		"Label=password=none of our business\n":                      "Label=password=none of our business\n",
		"Secret=db-password,type=env,target=DB_PASSWORD\n":           "Secret=db-password,type=env,target=DB_PASSWORD\n",
		"# Environment=\n\n[Container]\nEnvironment=TOKEN=hunter2\n": "# Environment=\n\n[Container]\nEnvironment=TOKEN=…\n",
	} {
		if got := Masked(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}
