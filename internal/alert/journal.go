package alert

import (
	"strconv"

	"github.com/coreos/go-systemd/v22/journal"

	"keeper/internal/core"
)

// The MESSAGE_ID of each kind of alert in the journal (systemd.journal-fields(7)):
// journalctl --user MESSAGE_ID=….
const (
	MessageOpened   = "5a1f2c6d3b9e4f0f8f0c7a2e6b1d4c91"
	MessageReminder = "7c3e9b1a52d84c57a0d9e8f41b6a3d02"
	MessageClosed   = "e2b7d4f8916a4b3c9d5e0f7a8c1b2e43"
	MessageTest     = "1d9f6b0e84c24a7fb3e5a6c7d8f90124"
)

// Journal puts an alert into the journal, as sd_journal_send(3) does. Where there is no
// journal, that is no error: the log has it as well.
func Journal(a core.Alert) error {
	if !journal.Enabled() {
		return nil
	}
	id, priority := MessageOpened, journal.PriWarning
	switch a.Kind {
	case core.AlertOpened:
	case core.AlertReminder:
		id = MessageReminder
	case core.AlertClosed:
		id = MessageClosed
	case core.AlertTest:
		id = MessageTest
	}
	switch {
	case a.Kind == core.AlertClosed || a.Kind == core.AlertTest:
		priority = journal.PriNotice
	case a.Urgency == core.UrgencyCritical:
		priority = journal.PriCrit
	}
	return journal.Send(line(a.Title), priority, map[string]string{
		"MESSAGE_ID": id, "SYSLOG_IDENTIFIER": "keeper", "KEEPER_INCIDENT": a.Incident, "KEEPER_KEY": a.Key, "KEEPER_KIND": string(a.Kind),
		"KEEPER_ROOT": line(a.Root), "KEEPER_DRILL": line(a.Drill), "KEEPER_OUTAGE_MS": strconv.FormatInt(a.OutageMS, 10),
	})
}
