package guard

func (j *judge) data(c *call) {}
func (j *judge) code(c *call) {}
