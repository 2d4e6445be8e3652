package app

import (
	"fmt"
	"os"
	"strings"

	"keeper/internal/core"
	"keeper/internal/logind"
)

const (
	reviveHelper = "/usr/libexec/keeper/revive"
	// rootUsers holds, for each uid that root's part was installed for, the name.
	rootUsers = "/etc/keeper/users"
)

// rootInForce returns what is in force of root's part: as PID 1 has it, and as
// the helper would find it when it is called.
func rootInForce(life logind.Manager, uid uint32, name string) core.Root {
	return core.Root{Armor: life.Armor, Revive: life.Revive && revives(reviveHelper, fmt.Sprintf("%s/%d", rootUsers, uid), name)}
}

// revives says whether the helper can be run, and is for the account of this
// name: a uid may have been given to somebody else.
func revives(helper, user, name string) bool {
	fi, err := os.Stat(helper)
	if err != nil || fi.Mode()&0o111 == 0 {
		return false
	}
	data, err := os.ReadFile(user)
	return err == nil && strings.TrimSpace(string(data)) == name
}
