package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A stackOf is what CloudFormation makes of a template and of the parameters that
// somebody gives: what it refuses before it makes anything (AWS CloudFormation
// User Guide, "Parameters" and "Rules").
type stackOf struct {
	template Template
	given    map[string]string
}

// values are the parameters, those that are not given by default.
func (s stackOf) value(name string) string {
	if v, ok := s.given[name]; ok {
		return v
	}
	return fmt.Sprint(s.template.Get("Parameters", name, "Default"))
}

// refusals are all reasons not to deploy; none when the stack can be made.
func (s stackOf) refusals() (all []string) {
	parameters, _ := s.template.Get("Parameters").(map[string]any)
	for name := range s.given {
		if parameters[name] == nil {
			all = append(all, name+" does not exist")
		}
	}
	for name, definition := range parameters {
		if why := refused(definition, s.value(name)); why != "" {
			all = append(all, name+" "+why)
		}
	}
	rules, _ := s.template.Get("Rules").(map[string]any)
	for _, rule := range rules {
		if when := Get(rule, "RuleCondition"); when != nil && s.eval(when) != true {
			continue
		}
		for _, assertion := range Get(rule, "Assertions").([]any) {
			if s.eval(Get(assertion, "Assert")) != true {
				all = append(all, fmt.Sprint(Get(assertion, "AssertDescription")))
			}
		}
	}
	return all
}

// refused says why a value is none for a parameter.
func refused(definition any, value string) string {
	members := []string{value}
	if Get(definition, "Type") == "CommaDelimitedList" {
		members = strings.Split(value, ",")
	}
	if pattern, ok := Get(definition, "AllowedPattern").(string); ok {
		for _, m := range members {
			if !regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(m) {
				return fmt.Sprint(Get(definition, "ConstraintDescription"))
			}
		}
	}
	if allowed, ok := Get(definition, "AllowedValues").([]any); ok {
		if !slices.ContainsFunc(allowed, func(v any) bool { return fmt.Sprint(v) == value }) {
			return fmt.Sprintf("must be one of %v", allowed)
		}
	}
	if most, ok := Get(definition, "MaxLength").(int); ok && len(value) > most {
		return fmt.Sprintf("must have at most %d characters", most)
	}
	if Get(definition, "Type") == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		least, hasLeast := Get(definition, "MinValue").(int)
		most, hasMost := Get(definition, "MaxValue").(int)
		if err != nil || hasLeast && n < float64(least) || hasMost && n > float64(most) {
			return fmt.Sprintf("must be a number from %v to %v", least, most)
		}
	}
	return ""
}

// eval is the value of an expression of a rule or a condition. An index that is
// out of bounds is what CloudFormation makes of it, an error of the template. So
// is whatever has no place in either.
func (s stackOf) eval(expression any) any {
	object, ok := expression.(map[string]any)
	if !ok {
		return expression
	}
	for name, argument := range object {
		if name == "Ref" {
			return s.ref(argument.(string))
		}
		if name == "Condition" {
			return s.eval(s.template.Get("Conditions", argument.(string)))
		}
		arguments, _ := argument.([]any)
		return s.call(name, arguments)
	}
	return nil
}

// ref is the value of a parameter. A list that is empty has no members.
func (s stackOf) ref(name string) any {
	value := s.value(name)
	if s.template.Get("Parameters", name, "Type") != "CommaDelimitedList" {
		return value
	}
	list := []any{}
	for member := range strings.SplitSeq(value, ",") {
		if value != "" {
			list = append(list, member)
		}
	}
	return list
}

func (s stackOf) call(function string, arguments []any) any {
	switch function {
	case "Fn::Equals":
		return fmt.Sprint(s.eval(arguments[0])) == fmt.Sprint(s.eval(arguments[1]))
	case "Fn::Not":
		return s.eval(arguments[0]) != true
	case "Fn::And":
		return !slices.ContainsFunc(arguments, func(a any) bool { return s.eval(a) != true })
	case "Fn::Or":
		return slices.ContainsFunc(arguments, func(a any) bool { return s.eval(a) == true })
	case "Fn::Contains":
		return slices.Contains(s.eval(arguments[0]).([]any), s.eval(arguments[1]))
	case "Fn::EachMemberEquals":
		return !slices.ContainsFunc(s.eval(arguments[0]).([]any), func(m any) bool { return m != arguments[1] })
	case "Fn::Join":
		var members []string
		for _, m := range s.eval(arguments[1]).([]any) {
			members = append(members, fmt.Sprint(m))
		}
		return strings.Join(members, fmt.Sprint(arguments[0]))
	case "Fn::Select":
		list, index := s.eval(arguments[1]).([]any), arguments[0].(int)
		if index >= len(list) {
			return fmt.Errorf("element %d of %d", index, len(list))
		}
		return list[index]
	}
	panic("no such function: " + function)
}

// deployed is template.yaml with brokers and these parameters, name=value each.
func deployed(t *testing.T, parameters ...string) stackOf {
	t.Helper()
	s := stackOf{load(t, "template.yaml"), map[string]string{"Brokers": "b-1:9092"}}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		s.given[name] = value
	}
	return s
}
