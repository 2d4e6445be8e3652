package app

import (
	"context"
	"encoding/json"
	"os/exec"
	"time"

	"keeper/internal/core"
	"keeper/internal/paths"
)

// guardWait is how long keeper-guard may take to say how it stands: it takes
// milliseconds.
const guardWait = 2 * time.Second

// ExamineGuard asks keeper-guard how the command guard stands. Nil is that nobody
// knows: without it, nothing is said of the guard.
func ExamineGuard(ctx context.Context) *core.Guard {
	program, err := Beside(paths.Guard)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, guardWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "status", "--json")
	cmd.WaitDelay = time.Second
	out := bounded{most: maxAnswer}
	cmd.Stdout = &out
	_ = cmd.Run() // it exits with 3 where something is to be mended, and says so
	var said struct {
		Version int        `json:"version"`
		Guard   core.Guard `json:"guard"`
	}
	if json.Unmarshal(out.kept.Bytes(), &said) != nil || said.Version != 1 {
		return nil
	}
	return &said.Guard
}
