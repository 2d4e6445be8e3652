package core

// HostFacts are what the machine and the account must give to a rootless stack.
type HostFacts struct{}

// host says of each whether it is there.
func (d *diagnosis) host(h Health) {}

func checksOfHost() []Check { return nil }
