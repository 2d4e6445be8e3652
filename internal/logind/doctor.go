package logind

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"

	"keeper/internal/core"
)

// MayLinger asks polkit whether this process may set its own account's linger,
// without asking anybody (Authority.CheckAuthorization of polkit(8)).
func (c *Conn) MayLinger(ctx context.Context) (bool, error) {
	subject := struct {
		Kind    string
		Details map[string]dbus.Variant
	}{"system-bus-name", map[string]dbus.Variant{"name": dbus.MakeVariant(c.bus.Names()[0])}}
	var result struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	err := c.call(ctx, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
		"org.freedesktop.PolicyKit1.Authority.CheckAuthorization",
		subject, "org.freedesktop.login1.set-self-linger", map[string]string{}, uint32(0), "").Store(&result)
	if err != nil {
		return false, fmt.Errorf("cannot ask polkit: %w", err)
	}
	return result.Authorized, nil
}

// DelayHeld says whether a process of this account called keeper holds a delay
// inhibitor for shutdowns (Manager.ListInhibitors), and how long logind waits
// for it.
func (c *Conn) DelayHeld(ctx context.Context) (bool, time.Duration, error) {
	var list []struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	if err := c.call(ctx, busName, objPath, managerIf+".ListInhibitors").Store(&list); err != nil {
		return false, 0, fmt.Errorf("cannot ask logind for its inhibitors: %w", err)
	}
	var us uint64
	if err := c.property(ctx, busName, objPath, managerIf, "InhibitDelayMaxUSec", &us); err != nil {
		return false, 0, err
	}
	for _, i := range list {
		if i.What == "shutdown" && i.Who == inhibitor && i.Mode == "delay" && int(i.UID) == os.Getuid() {
			return true, micros(us), nil
		}
	}
	return false, micros(us), nil
}

// Policy asks what logind.conf(5) says that bears on containers without root.
func (c *Conn) Policy(ctx context.Context) (core.LogindPolicy, error) {
	var got map[string]dbus.Variant
	if err := c.call(ctx, busName, objPath, "org.freedesktop.DBus.Properties.GetAll", managerIf).Store(&got); err != nil {
		return core.LogindPolicy{}, fmt.Errorf("cannot ask logind for its settings: %w", err)
	}
	var p core.LogindPolicy
	kill, ok1 := got["KillUserProcesses"].Value().(bool)
	ipc, ok2 := got["RemoveIPC"].Value().(bool)
	p.Known, p.KillUserProcesses, p.RemoveIPC = ok1 && ok2, kill, ipc
	p.KillOnly, _ = got["KillOnlyUsers"].Value().([]string)
	p.KillExclude, _ = got["KillExcludeUsers"].Value().([]string)
	return p, nil
}
