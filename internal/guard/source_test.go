package guard

import "testing"

func TestSource(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"git push --force", "source.force-push!"},
		{"git push -f", "source.force-push!"},
		{"git push -uf origin main", "source.force-push!"},
		{"git push -fu origin main", "source.force-push!"},
		{"git push origin main --force", "source.force-push!"},
		{"git push --force --force-with-lease", "source.force-push!"},
		{"git push origin +main", "source.force-push!"},
		{"git push origin +$X", "source.force-push!"},
		{"git push origin +HEAD:main", "source.force-push!"},
		{"git push --mirror", "source.force-push!"},
		{"git push --mirr x", "source.force-push!"},
		{"git push --force$X", "source.force-push?"},
		{"git push --delete origin main", "source.force-push?"},
		{"git push origin -d main", "source.force-push?"},
		{"git push origin :main", "source.force-push?"},
		{"git push --prune origin", "source.force-push?"},
		{"git -C /srv/app push -f", "source.force-push!"},
		{"git -c user.name=x push -f", "source.force-push!"},
		{"git --git-dir=/x --work-tree /y push -f", "source.force-push!"},
		{"git --no-pager -p push -f", "source.force-push!"},
		{"git -c remote.origin.push=+a:a push", "source.force-push!"},
		{"git send-pack --force x", "source.force-push!"},
		{"git push --force-with-lease", "none"},
		{"git push --force-with-lease=main:abc origin main", "none"},
		{"git push --force-if-includes --force-with-lease", "none"},
		{"git push --dry-run --force", "none"},
		{"git push -nf", "none"},
		{"git push", "none"},
		{"git push -u origin main", "none"},
		{"git push origin HEAD:main --tags", "none"},
		{"git push --progress --porcelain", "none"},
		{"git push -o ci.skip origin main", "none"},
		{"git push -o force origin main", "none"},
		{"git push $X", "none"},
		{"git push $X main", "none"},
		{"git push $X origin", "source.force-push?"},
		{"git push $X origin main", "source.force-push?"},
		{"git push origin $X", "none"},
		{"git push origin :", "none"},
		{"git push --help", "none"},
		{"git fetch -f", "none"},
		{"git fetch origin +a:a", "none"},
		{"git branch -D x", "none"},
		{"git reset --hard", "none"},
		{"git commit -m push_--force", "none"},
		{"git config alias.pf push_--force", "none"},
		{"git log --grep push -f", "none"},
		{"git clean -fdx", "none"},
		{"git -C ~ clean -fdx", "files.home! +"},
		{"git -C .. clean -ffdx", "files.home! +"},
		{"git -C ~ clean -ndx", "none"},
		{"git -C / clean -fd home", "files.home! +"},
		{"git -C ~ clean -fdx app", "none"},
		{"git rm ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"git rm --cached ~/.config/containers/systemd/postgres.container", "none"},
		{"git rm -r src", "none"},
		{"gh repo delete x/y --yes", "source.force-push!"},
		{"gh repo delete --help", "none"},
		{"gh repo view x/y", "none"},
		{"gh repo sync --force", "source.force-push?"},
		{"gh api -X DELETE repos/x/y", "source.force-push!"},
		{"gh api -X DELETE /repos/x/y/git/refs/heads/main", "source.force-push?"},
		{"gh api -X PATCH repos/x/y/git/refs/heads/main -F force=true -f sha=1", "source.force-push!"},
		{"gh api repos/x/y", "none"},
		{"gh pr create", "none"},
		{"ls push --force", "none"},
	}, nil, func(j *judge, c *call) { j.source(c) })
}

func TestGitRuns(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"git -c alias.x='push --force' x":                                 "source.force-push",
		"git -c alias.x='!loginctl terminate-user flowstate' x":           "session.terminate",
		"git -c alias.x='!sh -c' x 'rm -rf ~'":                            "files.home",
		"git config --global alias.yolo 'push -f' && git yolo origin":     "source.force-push",
		"git config alias.yolo 'push -f'":                                 "",
		"git -c core.sshCommand='loginctl terminate-user x; ssh' fetch":   "session.terminate",
		"git rebase -x 'git push -f' main":                                "source.force-push",
		"git submodule foreach 'rm -rf ~'":                                "files.home",
		"git bisect run rm -rf /home/flowstate":                           "files.home",
		"git filter-branch --tree-filter 'rm -rf /home/flowstate' -- all": "files.home",
		"git -c alias.x='log --oneline' x":                                "",
		"git rebase -x 'make test' main":                                  "",
	} {
		v := Judge(line, lossHost(), Policy{})
		got := ""
		if len(v.Findings) > 0 {
			got = v.Findings[0].ID
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
