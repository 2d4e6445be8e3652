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
	for _, s := range []string{"PASSWORD=", "POSTGRES_PASSWORD_FILE=/run/secrets/x", "HOST=db", "URL=http://host/x", "URL=http://bob@host/x", "MAIL=a@b.c", "KEY=x", "PASSENGER=x", "TOKEN_TTL=5", "URL=http://host:80/a@b", "URL=http://[::1]:80/a@b"} {
		if key, value, _ := strings.Cut(s, "="); LooksSecret(key, value) {
			t.Errorf("%s is a secret", s)
		}
	}
}
