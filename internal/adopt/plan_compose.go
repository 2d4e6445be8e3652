package adopt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"keeper/internal/compose"
	"keeper/internal/quadlet"
)

// fromCompose takes the services of a Compose file. Containers of the same name,
// or made of the same file by others, are those that it replaces.
func (b *builder) fromCompose(ctx context.Context) error {
	project, err := compose.Load(ctx, b.req.Compose)
	if err != nil {
		return err
	}
	for _, n := range b.req.Names {
		if !slices.ContainsFunc(project.Stack.Containers, func(c quadlet.Container) bool { return c.Source.Name == n || c.Name == n }) {
			return fmt.Errorf("the Compose file has no service %q that is on; it has: %s", n, serviceNames(project))
		}
	}
	b.plan.Off = project.Off
	for _, s := range project.Stack.Secrets {
		if v, ok := project.Variable(s.Variable); ok && s.Variable != "" {
			b.secretValues(s.Name, v)
		}
	}
	b.stack = project.Stack
	b.stack.Containers = nil
	b.stack.Secrets = slices.DeleteFunc(slices.Clone(b.stack.Secrets), func(s quadlet.Secret) bool {
		return slices.Contains(b.survey.Secrets, s.Name) // made by an earlier adoption, or by a person
	})
	for _, model := range project.Stack.Containers {
		if len(b.req.Names) > 0 && !slices.Contains(b.req.Names, model.Source.Name) && !slices.Contains(b.req.Names, model.Name) {
			continue
		}
		b.stack.Containers = append(b.stack.Containers, model)
		b.plan.Items = append(b.plan.Items, b.ofService(project, model))
	}
	// Notes are the items', where they are about one.
	for _, n := range project.Stack.Notes {
		i := slices.IndexFunc(b.plan.Items, func(i Item) bool { return i.Unit == n.Unit })
		if i >= 0 {
			b.plan.Items[i].Notes = append(b.plan.Items[i].Notes, n)
		} else {
			b.plan.Notes = append(b.plan.Notes, n)
		}
	}
	b.stack.Notes = nil
	return nil
}

func serviceNames(p compose.Project) string {
	var names []string
	for _, c := range p.Stack.Containers {
		names = append(names, c.Source.Name)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// ofService finds what there is for a service already.
func (b *builder) ofService(project compose.Project, model quadlet.Container) Item {
	item := Item{Container: model.Name, Unit: model.Unit, Source: model.Source, State: "absent", Do: Create, model: model}
	for i := range b.survey.Containers {
		c := &b.survey.Containers[i]
		same := c.Name == model.Name
		theirs := c.ComposeProject == project.Name && c.ComposeService == model.Source.Name
		if c.Infra || !same && !theirs || item.old != nil && !same {
			continue
		}
		item.old, item.State = c, c.State
	}
	if item.old == nil {
		if _, ok := b.kept[model.Unit+".service"]; ok {
			item.Do = Update
		}
		return item
	}
	switch unit, kept := b.keptBy(*item.old); {
	case kept && unit == model.Unit+".service":
		item.Do = Update
	case kept:
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: model.Unit, Field: "ContainerName", Level: quadlet.Stop,
			Text: fmt.Sprintf("the name %s is taken: %s keeps a container of that name already", item.old.Name, unit),
			Try:  fmt.Sprintf("give the service a container_name of its own, or remove %s", b.kept[unit].file),
		})
	case item.old.Running:
		item.Do = Adopt
	default:
		item.Do = Adopt // it is to run, as the file says
	}
	if path, ok := b.legacy[item.old.Name]; ok && item.Do == Adopt {
		item.legacy = path
	}
	return item
}
