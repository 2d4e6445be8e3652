package guard

// nested stands in for the walker, until it is here: it only notes the text.
func (j *judge) nested(c *call, text, via string) {
	j.steps = append(j.steps, Step{Command: text, Through: append(append([]string{}, c.through...), via)})
}
