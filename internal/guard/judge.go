package guard

// judge collects what the rules find in one command line.
type judge struct {
	host     Host
	findings []Finding
	steps    []Step
	// codeSpent is how much code of interpreters was read for this line.
	codeSpent int
}

// find notes that a call ran into a rule. sure is yes, or maybe where it depends on
// something unknown: then it is asked about; no is nothing.
func (j *judge) find(c *call, id string, sure match, detail string) {
	if sure == no {
		return
	}
	r, _ := RuleOf(id)
	f := Finding{Rule: r, Command: c.line(), Through: c.through, Detail: detail}
	if sure == maybe {
		f.Unsure = true
		f.Decision = min(f.Decision, Ask)
	}
	j.findings = append(j.findings, f)
}
