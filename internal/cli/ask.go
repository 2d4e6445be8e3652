package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"keeper/internal/term"
)

// canAsk says whether there is a person on a terminal who can be asked.
func canAsk(to term.IO, in *os.File) bool {
	_, _, talks := term.Size(to.Err)
	_, _, listens := term.Size(in)
	return talks && listens
}

// ask returns what the person types, or nothing once the context ends.
func ask(ctx context.Context, to term.IO, in io.Reader, question string) string {
	fmt.Fprint(to.Err, question)
	said := make(chan string, 1)
	go func() { // it ends with the program, should nobody ever answer
		line, _ := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	select {
	case answer := <-said:
		return answer
	case <-ctx.Done():
		fmt.Fprintln(to.Err)
		return ""
	}
}
