package metrics

import (
	"time"

	"keeper/internal/core"
)

// What there is of each of these; a test holds them against core's own source.
var (
	causes = []core.Cause{core.CauseMark, core.CauseRemoved, core.CauseExpired, core.CauseLocked, core.CausePaused, core.CauseDisabled}

	states = []core.ServiceState{
		core.ServiceWell, core.ServiceStopped, core.ServiceStarting, core.ServiceRecovering, core.ServiceFailing, core.ServiceFlapping, core.ServiceNotReady, core.ServiceUnknown,
		core.ServiceBlocked, core.ServiceIll, core.ServiceFrozen, core.ServiceRestarting, core.ServiceDown, core.ServiceGaveUp,
	}

	conditions = []core.Condition{
		core.ConditionReady, core.ConditionAlive, core.ConditionAuthRefused, core.ConditionStarting, core.ConditionRecovering,
		core.ConditionLoading, core.ConditionStopping, core.ConditionBusy, core.ConditionNotReady, core.ConditionSilent,
		core.ConditionRefused, core.ConditionWrong, core.ConditionUnhealthy, core.ConditionStopped, core.ConditionFrozen, core.ConditionUnknown,
	}

	decisions = []core.Kind{
		core.SetLinger, core.StartUnits, core.StopUnits, core.MendNetwork, core.RenewRuntime, core.WakeManager, core.WriteUnits,
		core.UndoAdoption, core.RestartUnits, core.ContinueUnit, core.ThawUnit, core.Note,
	}
)

// families are all metrics, in the order in which they are written. A metric that
// has nothing to say is left out.
var families = []family{
	{"keeper_build", info, "", "The program.", func(s *Snapshot, add func(sample)) {
		add(sample{value: 1, labels: [2]label{{"version", s.Status.Daemon.Release}, {"goversion", s.Go}}})
	}},
	{"keeper_well", gauge, "", "1 if nothing is wrong, as keeper status says.", one(func(s *Snapshot) float64 { return truth(s.Status.Well) })},
	{"keeper_problems", gauge, "", "How many problems keeper status shows.", one(func(s *Snapshot) float64 { return float64(len(s.Status.Problems)) })},
	{"keeper_linger", gauge, "", "1 if the account lingers; left out while logind was not asked.", func(s *Snapshot, add func(sample)) {
		if l := s.Status.Linger.State; l == core.LingerOn || l == core.LingerOff {
			add(sample{value: truth(l == core.LingerOn)})
		}
	}},
	{"keeper_armed", gauge, "", "1 if the stack would come back, were the user manager stopped now.", one(func(s *Snapshot) float64 { return truth(s.Status.Rearm.Armed) })},
	{"keeper_stand_down", gauge, "", "1 for the cause for which keeper stands down.", func(s *Snapshot, add func(sample)) {
		for _, c := range causes {
			add(sample{value: truth(s.Status.StandDown != nil && s.Status.StandDown.Cause == c), labels: [2]label{{"cause", string(c)}}})
		}
	}},
	{"keeper_survivals", counter, "", "Ends of the user manager or the machine that the stack came back from, ever.", func(s *Snapshot, add func(sample)) {
		add(sample{value: float64(s.Survived)})
	}},
	{"keeper_last_survival_timestamp_seconds", gauge, "seconds", "When the stack was back after the last such end.", func(s *Snapshot, add func(sample)) {
		if list := s.Status.Survivals; len(list) > 0 {
			add(sample{value: seconds(list[0].At)})
		}
	}},
	{"keeper_last_outage_seconds", gauge, "seconds", "How long the stack was away then.", func(s *Snapshot, add func(sample)) {
		if list := s.Status.Survivals; len(list) > 0 {
			add(sample{value: float64(list[0].OutageMS) / 1000})
		}
	}},
	{"keeper_decisions", counter, "", "What keeper decided to do, or only noted, since the daemon started.", func(s *Snapshot, add func(sample)) {
		for _, k := range decisions {
			add(sample{value: float64(s.Decisions[k]), created: s.Began, labels: [2]label{{"kind", string(k)}}})
		}
	}},

	{"keeper_service_up", gauge, "", "1 if the service is well, or was so until now and a failure is not certain yet.", each(func(v core.Service, _ Service, add func(float64, label)) {
		add(truth(v.State == core.ServiceWell || v.State == core.ServiceFailing), label{"kind", string(v.Kind)})
	})},
	{"keeper_service_state", gauge, "", "1 for the state that the service is in.", each(func(v core.Service, _ Service, add func(float64, label)) {
		for _, state := range states {
			add(truth(v.State == state), label{"state", string(state)})
		}
	})},
	{"keeper_service_condition", gauge, "", "1 for what the last probe found that changed anything.", each(func(v core.Service, _ Service, add func(float64, label)) {
		if v.Condition == "" {
			return
		}
		for _, c := range conditions {
			add(truth(v.Condition == c), label{"condition", string(c)})
		}
	})},
	{"keeper_service_since_timestamp_seconds", gauge, "seconds", "When the service came into its state.", each(func(v core.Service, _ Service, add func(float64, label)) {
		if !v.Since.IsZero() {
			add(seconds(v.Since), label{})
		}
	})},
	{"keeper_service_failures", gauge, "", "Failed probes in a row.", each(func(v core.Service, _ Service, add func(float64, label)) { add(float64(v.Failures), label{}) })},
	{"keeper_service_failure_threshold", gauge, "", "How many in a row make the service ill.", each(func(v core.Service, _ Service, add func(float64, label)) { add(float64(v.Threshold), label{}) })},
	{"keeper_service_restart_budget", gauge, "", "How often keeper may restart the service within its window.", each(func(v core.Service, _ Service, add func(float64, label)) { add(float64(v.Budget), label{}) })},
	{"keeper_service_restart_budget_used", gauge, "", "How often it did so within the window that ends now.", each(func(v core.Service, _ Service, add func(float64, label)) { add(float64(v.Restarts), label{}) })},
	{"keeper_service_restarts", counter, "", "Restarts of the service by keeper, since the daemon started.", counted(func(c Service) (float64, bool) { return float64(c.Restarts), true })},
	{"keeper_service_probes", counter, "", "Probes of the service, since the daemon started.", counted(func(c Service) (float64, bool) { return float64(c.Probes), true })},
	{"keeper_service_probe_seconds", gauge, "seconds", "How long the last probe took.", counted(func(c Service) (float64, bool) { return c.Took.Seconds(), c.Probes > 0 })},

	// As the exporters of others name them; without a label, for they are of the
	// process that was asked.
	{"process_cpu_seconds", counter, "seconds", "CPU time that the daemon used.", process(func(p Process) (float64, time.Time) { return p.CPU.Seconds(), p.Started })},
	{"process_resident_memory_bytes", gauge, "bytes", "Memory that the daemon occupies.", process(func(p Process) (float64, time.Time) { return float64(p.Resident), time.Time{} })},
	{"process_open_fds", gauge, "", "File descriptors that the daemon has open.", process(func(p Process) (float64, time.Time) { return float64(p.FDs), time.Time{} })},
	{"process_start_time_seconds", gauge, "seconds", "When the daemon started.", process(func(p Process) (float64, time.Time) { return seconds(p.Started), time.Time{} })},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// one is a metric of one sample.
func one(value func(*Snapshot) float64) func(*Snapshot, func(sample)) {
	return func(s *Snapshot, add func(sample)) { add(sample{value: value(s)}) }
}

// each is a metric of every service.
func each(of func(v core.Service, c Service, add func(float64, label))) func(*Snapshot, func(sample)) {
	return func(s *Snapshot, add func(sample)) {
		for _, v := range s.Status.Services {
			c := s.Services[v.Name]
			of(v, c, func(value float64, more label) {
				add(sample{value: value, created: c.Began, labels: [2]label{{"service", v.Name}, more}})
			})
		}
	}
}

// counted is a metric of what was counted of every service.
func counted(of func(Service) (float64, bool)) func(*Snapshot, func(sample)) {
	return each(func(_ core.Service, c Service, add func(float64, label)) {
		if value, ok := of(c); ok {
			add(value, label{})
		}
	})
}

// process is a metric of the daemon's process.
func process(of func(Process) (float64, time.Time)) func(*Snapshot, func(sample)) {
	return func(s *Snapshot, add func(sample)) {
		if s.Process == (Process{}) {
			return
		}
		value, created := of(s.Process)
		add(sample{value: value, created: created})
	}
}
