package guard

// nested judges shell text that was found inside a call. The walker has it.
func (j *judge) nested(*call, string, string) {}

// verdict is made elsewhere.
func (j *judge) verdict(Policy) Verdict { return Verdict{Findings: j.findings} }
