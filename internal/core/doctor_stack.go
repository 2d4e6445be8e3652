package core

// StackFacts are what the files of the services, and their units, say that bears on
// survival.
type StackFacts struct{}

// stack says what of that makes the stack frail.
func (d *diagnosis) stack(h Health) {}

func checksOfStack() []Check { return nil }
