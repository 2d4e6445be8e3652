package guard

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// Mode is the strictest that one of the files asks for; enforce where none does.
func (p Policy) Mode() Mode {
	strict := []Mode{Off, Watch, AskOnly, Enforce}
	site, user := slices.Index(strict, p.Site.Mode), slices.Index(strict, p.User.Mode)
	if best := max(site, user); best >= 0 {
		return strict[best]
	}
	return Enforce
}

// verdict is what the findings come to under the settings.
func (j *judge) verdict(p Policy, line string) Verdict {
	v := Verdict{Steps: j.steps}
	for i := range j.findings {
		f := &j.findings[i]
		f.Decision, f.Settled = p.settle(*f)
	}
	if pass, ok := p.pass(line, j.host); ok && len(j.findings) > 0 {
		for i := range j.findings {
			f := &j.findings[i]
			if f.Decision > Allow {
				f.Decision, f.Settled, v.Passed = Allow, pass.By+" let it pass", pass.By
			}
		}
	}
	slices.SortStableFunc(j.findings, func(a, b Finding) int { return cmp.Compare(b.Decision, a.Decision) })
	v.Findings = j.findings
	for _, f := range v.Findings {
		v.Decision = max(v.Decision, f.Decision)
	}
	switch mode := p.Mode(); {
	case mode == Off:
		return Verdict{}
	case mode == Watch && v.Decision > Allow:
		v.Watched, v.Decision = v.Decision, Allow
	case mode == AskOnly && v.Decision == Deny:
		v.Watched, v.Decision = v.Decision, Ask
	}
	return v
}

// settle is the decision about one finding, and who changed it. What the site's file
// says of a rule, the user's can make stricter and never milder; where it says
// nothing, the user's counts.
func (p Policy) settle(f Finding) (Decision, string) {
	was := f.Decision
	site, bySite := p.Site.says(f)
	user, byUser := p.User.says(f)
	d, by := was, ""
	switch {
	case bySite && byUser:
		d, by = max(site, user), "the site's settings"
		if user > site {
			by = "the account's settings"
		}
	case bySite:
		d, by = site, "the site's settings"
	case byUser:
		d, by = user, "the account's settings"
	}
	// What is not sure is asked about at most, whoever says deny.
	if f.Unsure && d == Deny && f.Class != Custom {
		d = Ask
	}
	if d == was {
		by = ""
	}
	return d, by
}

// says is what a file says of a finding: by a pattern of its command, by the rule, by
// the class, in that order.
func (s Settings) says(f Finding) (Decision, bool) {
	for _, p := range s.Allow {
		if p.matches(f) {
			return Allow, true
		}
	}
	if d, ok := s.Rules[f.ID]; ok {
		return d, true
	}
	if d, ok := s.Rules[string(f.Class)]; ok {
		return d, true
	}
	return None, false
}

// pass is the one that a person gave for exactly this line.
func (p Policy) pass(line string, h Host) (Pass, bool) {
	if p.Site.NoOverrides || p.User.NoOverrides {
		return Pass{}, false
	}
	for _, pass := range p.Passes {
		if pass.Line == line && h.Now.Before(pass.Expires) {
			return pass, true
		}
	}
	return Pass{}, false
}

// matches says that a finding's command, as it is when all around it is taken off, is
// one of the pattern. A command with something unknown in it is none.
func (p Pattern) matches(f Finding) bool {
	if strings.Contains(f.Command, "…") {
		return false
	}
	return p.words(strings.Fields(f.Command))
}

func (p Pattern) words(words []string) bool {
	for i, w := range p.Words {
		if w == "**" && i == len(p.Words)-1 {
			return true
		}
		if i >= len(words) {
			return false
		}
		if ok, err := path.Match(w, words[i]); err != nil || !ok {
			return false
		}
	}
	return len(words) == len(p.Words)
}

// custom asks the patterns of the settings about a call.
func (j *judge) custom(c *call) {
	words := strings.Fields(c.line())
	for _, kind := range []struct {
		d    Decision
		list []Pattern
	}{{Deny, j.deny}, {Ask, j.ask}} {
		for _, p := range kind.list {
			if p.words(words) {
				j.findings = append(j.findings, Finding{
					Rule:    Rule{ID: "custom." + p.Name, Class: Custom, Decision: kind.d, What: strings.Join(p.Words, " "), Reason: cmp.Or(p.Reason, "the settings say so"), Safer: p.Safer},
					Command: c.line(), Through: c.through,
				})
			}
		}
	}
}

// Rules are all rules, with the decisions that the settings make of them.
func (p Policy) Rules() []Rule {
	list := slices.Clone(catalogue)
	for i := range list {
		list[i].Decision, _ = p.settle(Finding{Rule: list[i]})
	}
	return list
}
