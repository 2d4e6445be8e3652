package guard

// keeperRules are the rules about the command keeper and its kin: what takes the
// protection away.
func (j *judge) keeperRules(c *call) {
	if c.place.kind == inContainer {
		return
	}
	switch c.name {
	case "keeper":
		o := parseOptions(c.args, "for reason service", false)
		if !o.has("h", "help") {
			j.keeper(c, o)
		}
	case "keeper-guard":
		o := parseOptions(c.args, "", true)
		if !o.has("h", "help") {
			j.guard(c, o.word(0), parseOptions(o.rest(1), "", false))
		}
	case "keeper-adopt":
		j.adoption(c, parseOptions(c.args, "", false))
	}
}

func (j *judge) keeper(c *call, o options) {
	switch verb := o.word(0); verb {
	case "pause":
		j.find(c, "keeper.pause", yes, "")
	case "guard":
		j.guard(c, o.word(1), o)
	case "drill":
		j.find(c, "keeper.drill", is(o.word(1), "run"), "")
	case "adopt":
		j.adoption(c, o)
	default:
		if isAny(verb, "pause", "guard", "drill") != no {
			j.find(c, "guard.unknown", maybe, "what keeper is to do cannot be known")
		}
	}
}

// guard is the guard being taken off, or opened. What it shows, judges and puts on is
// nobody's harm.
func (j *judge) guard(c *call, verb string, o options) {
	if !o.has("h", "help") {
		j.find(c, "keeper.guard", isAny(verb, "uninstall", "allow-once", "allow", "off"), "")
	}
}

func (j *judge) adoption(c *call, o options) {
	if o.has("undo") && o.value("undo") != "false" && !o.has("h", "help") {
		j.find(c, "keeper.drill", yes, "an adoption is undone")
	}
}
