package core

// Adopt says what the daemon does about containers without a unit.
type Adopt string

// The ways: say so, write the unit, or not even look.
const (
	AdoptPropose Adopt = "propose"
	AdoptAuto    Adopt = "auto"
	AdoptOff     Adopt = "off"
)

// Settings are what keeper.toml says.
type Settings struct {
	Adopt Adopt `json:"adopt"`
}
