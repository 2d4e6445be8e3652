package guard

import (
	"strconv"
	"strings"
)

// truth is what can be said of a condition without looking at a row. The order makes
// OR the greatest and AND the least.
type truth int

const (
	never   truth = iota
	depends       // on the row
	mostly        // no row will fail it, as far as one can tell
	ever
)

func (v truth) match() match {
	switch v {
	case ever:
		return yes
	case mostly:
		return maybe
	}
	return no
}

// deleteRows judges DELETE FROM t [USING ...] [WHERE ...] up to its end.
func (s *sqlText) deleteRows(t []sqlToken) {
	t = sqlClause(t)
	from := 1
	for from < len(t) && !t[from].is("from") {
		if t[from].is("where", "select") || t[from].kind == sqlOp && !t[from].op(",") && !t[from].op(".") && !t[from].op("*") {
			return // a function or column that is called delete
		}
		from++
	}
	if from+1 >= len(t) {
		return
	}
	name, n := sqlName(skip(t[from+1:], "only"))
	if n == 0 || s.temporary(name) {
		return
	}
	s.find("data.delete", reaches(t, name), sqlBrief(t))
}

// updateRows judges UPDATE t SET ... [WHERE ...] up to its end.
func (s *sqlText) updateRows(t []sqlToken) {
	t = sqlClause(t)
	name, n := sqlName(skip(t[1:], "only", "low_priority", "ignore"))
	if n == 0 || s.temporary(name) || !hasWord(t, "set") {
		return
	}
	s.find("data.delete", reaches(t, name), sqlBrief(t))
}

// sqlClause is a statement up to the parenthesis that it stands in.
func sqlClause(t []sqlToken) []sqlToken {
	depth := 0
	for i := range t {
		switch {
		case t[i].op("("):
			depth++
		case t[i].op(")"):
			if depth--; depth < 0 {
				return t[:i]
			}
		}
	}
	return t
}

// reaches says whether a statement changes every row.
func reaches(t []sqlToken, table string) match {
	depth, where, end := 0, -1, len(t)
	limited := false
	for i := range t {
		switch {
		case t[i].op("("):
			depth++
		case t[i].op(")"):
			depth--
		case depth > 0:
		case t[i].is("where") && where < 0:
			where = i + 1
		case t[i].is("returning") && where >= 0, t[i].is("order") && where >= 0:
			end = min(end, i)
		case t[i].is("limit"):
			end = min(end, i)
			limited = true
		case t[i].is("join"):
			limited = true
		}
	}
	var sure match
	switch {
	case where >= 0:
		sure = always(t[where:max(where, end)], table, 0).match()
	case t[len(t)-1].unknown(): // it may have the condition in it
		sure = maybe
	default:
		sure = yes
	}
	if limited {
		sure = min(sure, maybe)
	}
	return sure
}

// always says what is known of a condition.
func always(t []sqlToken, table string, depth int) truth {
	if depth > 20 || len(t) > 50000 {
		return depends
	}
	for range 20 {
		if len(t) < 2 || !t[0].op("(") || closes(t) != len(t)-1 {
			break
		}
		t = t[1 : len(t)-1]
	}
	if len(t) == 0 {
		return depends
	}
	if parts := splitAt(t, "or"); len(parts) > 1 {
		v := never
		for _, p := range parts {
			v = max(v, always(p, table, depth+1))
		}
		return v
	}
	if parts := splitAt(t, "and"); len(parts) > 1 {
		v := ever
		for _, p := range parts {
			v = min(v, always(p, table, depth+1))
		}
		return v
	}
	if t[0].is("not") {
		switch always(t[1:], table, depth+1) {
		case never:
			return ever
		case ever:
			return never
		}
		return depends
	}
	v := test(t, table, depth)
	if v == depends && !asksRow(t) {
		return mostly
	}
	return v
}

// closes is where the parenthesis closes that a text begins with, or -1.
func closes(t []sqlToken) int {
	depth := 0
	for i := range t {
		switch {
		case t[i].op("("):
			depth++
		case t[i].op(")"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// splitAt splits at a keyword outside of parentheses. The AND of BETWEEN is none, and
// in CASE ... END there is none.
func splitAt(t []sqlToken, word string) [][]sqlToken {
	var parts [][]sqlToken
	depth, from := 0, 0
	between := false
	for i := range t {
		switch {
		case t[i].op("("), t[i].is("case"):
			depth++
		case t[i].op(")"), t[i].is("end"):
			depth--
		case depth > 0:
		case t[i].is("between"):
			between = true
		case t[i].is("and") && between:
			between = false
		case t[i].is(word):
			parts = append(parts, t[from:i])
			from = i + 1
		}
	}
	return append(parts, t[from:])
}

// test judges a condition without AND, OR and NOT.
func test(t []sqlToken, table string, depth int) truth {
	if n := len(t); n > 2 && t[n-2].op("::") { // true::bool
		t = t[:n-2]
	}
	if len(t) == 1 {
		return alone(t[0])
	}
	if t[0].is("exists") && len(t) > 2 && t[1].op("(") && t[2].is("select") && !hasWord(t, "from") {
		return ever
	}
	level := 0
	for i := range t {
		switch {
		case t[i].op("("):
			level++
		case t[i].op(")"):
			level--
		case level > 0 || i == 0 && !t[i].op("-"):
		case t[i].is("is"):
			return isTest(t[:i], t[i+1:], table, depth)
		case t[i].is("like", "ilike", "similar", "regexp", "rlike"), t[i].op("~"):
			pattern := t[len(t)-1].text
			if t[len(t)-1].kind == sqlString && !t[i-1].is("not") && strings.Trim(pattern, "%.*^$") == "" && pattern != "." {
				return mostly
			}
			return depends
		case t[i].is("in"):
			return inTest(t[:i], t[i+1:], table)
		case t[i].kind == sqlOp && i > 0 && strings.Contains(" = <> != < > <= >= ", " "+t[i].text+" "):
			return compare(t[:i], t[i].text, t[i+1:])
		}
	}
	return depends
}

// alone is a condition of one word.
func alone(t sqlToken) truth {
	switch {
	case t.is("true"):
		return ever
	case t.is("false", "null"):
		return never
	case t.unknown():
		return mostly
	case t.kind == sqlNumber:
		if f, _ := strconv.ParseFloat(t.text, 64); f != 0 {
			return ever
		}
		return never
	case t.kind == sqlString:
		switch strings.ToLower(t.text) {
		case "t", "true", "y", "yes", "on", "1":
			return ever
		}
	}
	return depends
}

// key says that an operand is a column that has a value in every row.
func key(t []sqlToken) bool {
	if len(t) == 0 || len(t) == 2 || len(t) > 3 {
		return false
	}
	if last := t[len(t)-1]; last.is("id", "pk", "ctid", "xmin", "tableoid", "rowid", "oid", "uuid") {
		return true
	} else if last.kind == sqlQuoted {
		return last.text == "id"
	}
	return false
}

// constant says that an operand is a literal.
func constant(t []sqlToken) bool {
	return len(t) == 1 && (t[0].kind == sqlNumber || t[0].kind == sqlString || t[0].is("true", "false"))
}

func isTest(left, right []sqlToken, table string, depth int) truth {
	not := len(right) > 0 && right[0].is("not")
	if not {
		right = right[1:]
	}
	if len(right) != 1 {
		return depends
	}
	switch {
	case right[0].is("null") && constant(left):
		if not {
			return ever
		}
		return never
	case right[0].is("null") && not && key(left):
		return mostly
	case right[0].is("true", "false"):
		v := always(left, table, depth+1)
		if v == depends || v == mostly {
			return depends
		}
		if (v == ever) == (right[0].is("true") != not) {
			return ever
		}
		return never
	}
	return depends
}

// inTest knows IN (SELECT x FROM the same table), and IN of literals.
func inTest(left, right []sqlToken, table string) truth {
	if len(right) < 3 || !right[0].op("(") {
		return depends
	}
	if right[1].is("select") && table != "" {
		if hasWord(right, "where", "limit", "having", "join", "fetch", "except", "intersect", "group", "offset") {
			return depends
		}
		for i := range right {
			if right[i].is("from") {
				if name, _ := sqlName(right[i+1:]); name == table {
					return mostly
				}
			}
		}
	}
	if constant(left) {
		for _, w := range right {
			if w == left[0] {
				return ever
			}
		}
	}
	return depends
}

// compare judges left op right.
func compare(left []sqlToken, op string, right []sqlToken) truth {
	equal := len(left) == len(right) && len(left) > 0
	for i := 0; equal && i < len(left); i++ {
		equal = left[i].kind == right[i].kind && strings.EqualFold(left[i].text, right[i].text) && !open(left[i].text) && !strings.Contains(left[i].text, "?")
	}
	switch {
	case constant(left) && constant(right):
		return compareValues(left[0], op, right[0])
	case equal && (op == "=" || op == "<=" || op == ">="):
		return ever // but for NULL
	case equal:
		return never
	case key(left) && (op == ">" || op == ">=" || op == "<>" || op == "!="):
		return fromStart(right)
	case key(right) && (op == "<" || op == "<=" || op == "<>" || op == "!="):
		return fromStart(left)
	}
	return depends
}

// fromStart says whether every key is above a value: id > 0.
func fromStart(t []sqlToken) truth {
	if len(t) == 2 && t[0].op("-") && t[1].kind == sqlNumber {
		return mostly
	}
	if len(t) == 1 && t[0].kind == sqlNumber {
		if f, _ := strconv.ParseFloat(t[0].text, 64); f <= 1 {
			return mostly
		}
	}
	if len(t) == 1 && t[0].kind == sqlString && (t[0].text == "" || t[0].text == "0") {
		return mostly
	}
	return depends
}

func compareValues(left sqlToken, op string, right sqlToken) truth {
	order := strings.Compare(left.text, right.text)
	a, errA := strconv.ParseFloat(left.text, 64)
	b, errB := strconv.ParseFloat(right.text, 64)
	switch {
	case open(left.text) || open(right.text):
		return depends
	case errA == nil && errB == nil && a < b:
		order = -1
	case errA == nil && errB == nil && a > b:
		order = 1
	case errA == nil && errB == nil:
		order = 0
	}
	holds := false
	switch op {
	case "=":
		holds = order == 0
	case "<>", "!=":
		holds = order != 0
	case "<":
		holds = order < 0
	case ">":
		holds = order > 0
	case "<=":
		holds = order <= 0
	case ">=":
		holds = order >= 0
	}
	if holds {
		return ever
	}
	return never
}

// asksRow says that a condition has something that is not the same for every row: a
// column, or a value that the program fills in.
func asksRow(t []sqlToken) bool {
	for i, w := range t {
		switch {
		case w.kind == sqlQuoted, open(w.text):
			return true
		case w.kind != sqlWord:
		case i+1 < len(t) && t[i+1].op("("):
		case !w.is("and", "or", "not", "is", "null", "true", "false", "in", "like", "ilike", "between", "case", "when", "then", "else",
			"end", "select", "exists", "interval", "current_date", "current_timestamp", "current_user", "as", "int", "integer", "text", "boolean", "bool"):
			return true
		}
	}
	return false
}
