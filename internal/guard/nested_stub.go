package guard

// Stands in for what others write, until it is merged.

func (j *judge) nested(*call, string, string) {}

func (j *judge) nestedArgs(*call, []string, string) {}

func (j *judge) sqlText(*call, string) {}
