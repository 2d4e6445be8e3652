package guard
func (j *judge) files(c *call) {}
func (j *judge) data(c *call) {}
func (j *judge) source(c *call) {}
func (j *judge) code(c *call) {}
func (j *judge) taints(c *call) bool { return false }
