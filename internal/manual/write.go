package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"keeper/internal/cli"
)

// Date is what a page says in its footer: SOURCE_DATE_EPOCH as a day, or nothing, so that
// the same source makes the same pages.
func Date(epoch string) (string, error) {
	if epoch == "" {
		return "", nil
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH=%q is no time: it must be seconds since 1970", epoch)
	}
	return time.Unix(n, 0).UTC().Format(time.DateOnly), nil
}

// ManPages are the man pages by their path below a man directory: man1/keeper.1.
func ManPages(date string) (map[string]string, error) {
	files := map[string]string{}
	for _, c := range Shown(Commands()) {
		files["man1/"+page(c)+".1"] = Man(c, date)
	}
	settings, err := SettingsMan(date)
	if err != nil {
		return nil, err
	}
	files["man5/keeper.toml.5"] = settings
	files["man5/guard.toml.5"] = ".so man5/keeper.toml.5\n"
	return files, nil
}

// Completions are the completion scripts by their path: bash/keeper.
func Completions() (map[string]string, error) {
	var bash, zsh, fish bytes.Buffer
	root := cli.Commands()
	if err := root.GenBashCompletionV2(&bash, true); err != nil {
		return nil, err
	}
	if err := root.GenZshCompletion(&zsh); err != nil {
		return nil, err
	}
	if err := root.GenFishCompletion(&fish, true); err != nil {
		return nil, err
	}
	return map[string]string{"bash/keeper": bash.String(), "zsh/_keeper": zsh.String(), "fish/keeper.fish": fish.String()}, nil
}

// Write writes files below a directory, for everybody to read.
func Write(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
	}
	return nil
}
