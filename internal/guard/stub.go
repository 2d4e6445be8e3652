package guard

func (j *judge) code(c *call) {}
