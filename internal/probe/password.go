package probe

import (
	"keeper/internal/core"
	"keeper/internal/secret"
)

// password returns the password that is set for a service, or nothing if none is.
func password(s core.Supervision) (string, error) {
	switch {
	case s.PasswordFile != "":
		return secret.File(s.PasswordFile, "password")
	case s.Credential != "":
		return secret.Credential(s.Credential, "password")
	}
	return "", nil
}

// withoutPassword is for a service whose password cannot be had. Whether it lives
// can be told without; how ready it is cannot.
func withoutPassword(plain core.Outcome, err error) core.Outcome {
	if plain.Condition.Ready() {
		return unknown(err.Error())
	}
	return plain
}
