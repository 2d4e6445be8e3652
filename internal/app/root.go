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
	r := core.Root{Armor: life.Armor, Revive: life.Revive}
	if r.Revive {
		fi, err := os.Stat(reviveHelper)
		data, nerr := os.ReadFile(fmt.Sprintf("%s/%d", rootUsers, uid))
		r.Revive = err == nil && fi.Mode()&0o111 != 0 && nerr == nil && strings.TrimSpace(string(data)) == name
	}
	return r
}
