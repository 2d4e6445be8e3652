package core

import "time"

// State is all that Decide knows.
type State struct {
	Linger      Linger
	LingerSince time.Time
	// LookErr is why linger could not be looked at, SetErr why it could not be
	// set; Denied that polkit forbids it.
	LookErr, SetErr string
	Denied          bool

	LogindUp     bool
	ManagerUp    bool
	ManagerErr   string
	Armed        bool
	Root         Root
	ShuttingDown bool
	StandDown    StandDown
	// standSeen says that the marks were looked at: before, nothing is set.
	standSeen bool

	Units    map[string]Unit
	Lost     []LostFile
	Survival *Survival
	// Began is what happened before this daemon started.
	Began Began
	// DelayGrant is how long logind lets keeper delay a shutdown, DelayErr why
	// keeper has no delay inhibitor.
	DelayGrant time.Duration
	DelayErr   string

	// Settings are what keeper.toml says, SettingsErrs what is wrong with it.
	Settings     Settings
	SettingsErrs []string
	// Unkept are the containers that run and that no unit owns; UnkeptNow has
	// more about each. AdoptErr is why no units could be written for them.
	Unkept   []Unkept
	AdoptErr string
	Adoption Adoption
	// Drift is where what runs differs from its units, DriftErrs what could not be
	// compared.
	Drift     []Drift
	DriftErrs []string

	// Sections are what the [X-Keeper] sections of the Quadlet files say, by unit,
	// and SectionErrs what is wrong with them.
	Sections    map[string]Supervision
	SectionErrs map[string][]string
	// Held are the services that a person told keeper to leave alone.
	Held map[string]Hold

	// Incidents are those that are open, and what is to be remembered of others.
	Incidents Incidents

	// Next is when Decide wants a Wake.
	Next time.Time

	logindErr string
	setting   bool // a SetLinger is under way
	looking   bool // a LookLinger is under way
	lookAgain bool // its answer, or that of the set, will be too old
	// owed is why linger is to be set though it is on: logind must be told, or
	// the last try failed. Empty when nothing is owed.
	owed string
	// logins counts the logind processes met, and told is that of the last set.
	logins, told int
	fails        int    // sets that failed in a row
	noted        string // the trouble that was last made a decision of
	sets         []time.Time
	retryAt      time.Time
	// setAfter is when a set that failed may be tried again.
	setAfter time.Time
	lookAt   time.Time
	pending  []Down
	returned map[string]time.Duration
	asking   bool // a LookAnswers is under way
	asked    int
	askAt    time.Time

	begun        bool // Began is known
	recovering   bool // what did not come back is still to be looked for
	starting     bool // the user manager has not finished starting up
	debts        map[string]debt
	stops        map[string]string // what somebody stopped, and the life (Invocation) that it ended
	stopJobs     map[string]stopJob
	with         map[string]string  // of stops: with which other service
	own          map[string]ownStop // what keeper stops itself
	startBusy    bool               // a StartUnits is under way
	startAt      time.Time
	stoppedFirst []string
	stopping     bool // a StopUnits is under way
	deadHelpers  string
	helpersAt    time.Time
	mending      bool
	// mends counts the mendings that did not help yet.
	mends        int
	mendAfter    time.Time
	orphan       bool // containers were seen whose runtime state is gone
	renewing     bool // a RenewRuntime is under way
	renews       int
	renewAfter   time.Time
	managerAt    time.Time
	managerFroze bool
	topics       map[string]string // the trouble of each topic that was last noted

	containersAt, containersUntil     time.Time
	lookingContainers, seenContainers bool
	proposed                          map[string]bool   // by the id of the container
	writing                           map[string]string // names and ids that a WriteUnits is under way for
	written                           map[string]writtenUnit
	refused                           map[string]Refusal
	writeFails                        int
	writeAfter, writeAt               time.Time
	lookingAdoption, adoptionAgain    bool
	adoptionAt                        time.Time
	undo                              undoStep
	undoSince                         time.Time
	driftAt, driftedAt                time.Time
	driftGap                          time.Duration
	comparing                         bool              // a LookDrift is under way
	stamps                            map[string]string // of the files that the last one rests on
	lookingSources                    bool

	watches      map[string]*watch // of the services that are up
	cares        map[string]*care
	replan       bool   // what is probed is to be told anew
	examining    string // the service that an Examine is under way for
	examinedLife string
	examineUntil time.Time
	restarting   string // the one that was restarted last, and until when others wait
	restartUntil time.Time
	restarted    []string // what that restart ends
	superviseAt  time.Time

	brewing    map[string]brew      // what is wrong, and since when
	wellSince  map[string]time.Time // of the open incidents that are mended, by ID
	judgedAt   time.Time
	lifeDue    bool               // the incident that this life began with is to be opened
	ending     bool               // the user manager stops, and this daemon with it
	sessions   map[string]Session // that are open, as far as logind told
	commandsTo time.Time          // up to when the journal was looked at
	judgeAt    time.Time
}
