package resource

import (
	"strings"

	"millpond/internal/fault"
)

// ID is a Resource Manager id in parts. Types and Names run in parallel:
// galleries/g/images/d is {"galleries","images"}, {"g","d"}.
// A subscription has only Subscription; a group has no Provider.
type ID struct {
	Subscription  string
	ResourceGroup string
	Provider      string
	Types         []string
	Names         []string
}

// MaxIDLength bounds what ParseID looks at.
const MaxIDLength = 2048

// ParseID reads a full id in any casing. The code of its errors is
// LinkedInvalidPropertyId, as Resource Manager answers for ids in bodies.
func ParseID(s string) (ID, error) {
	bad := func(rule string) (ID, error) {
		return ID{}, fault.Newf("LinkedInvalidPropertyId",
			"Property id '%s' is invalid. %s", clip(s), rule)
	}
	if len(s) > MaxIDLength || !strings.HasPrefix(s, "/") {
		return bad("Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.")
	}
	parts := strings.Split(strings.TrimSuffix(s[1:], "/"), "/")
	for _, p := range parts {
		if p == "" {
			return bad("It has an empty segment.")
		}
	}
	var id ID
	if strings.EqualFold(parts[0], "subscriptions") {
		if len(parts) < 2 {
			return bad("The subscription is missing.")
		}
		id.Subscription, parts = parts[1], parts[2:]
	}
	if len(parts) > 0 && strings.EqualFold(parts[0], "resourceGroups") && id.Subscription != "" {
		if len(parts) < 2 {
			return bad("The resource group's name is missing.")
		}
		id.ResourceGroup, parts = parts[1], parts[2:]
	}
	if len(parts) == 0 {
		if id.Subscription == "" {
			return bad("It names nothing.")
		}
		return id, nil
	}
	if !strings.EqualFold(parts[0], "providers") || len(parts) < 4 || len(parts)%2 != 0 {
		return bad("After the group comes /providers/{namespace}/{type}/{name}, then pairs of type and name.")
	}
	id.Provider = parts[1]
	for rest := parts[2:]; len(rest) > 0; rest = rest[2:] {
		id.Types = append(id.Types, rest[0])
		id.Names = append(id.Names, rest[1])
	}
	return id, nil
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// String writes the id with Azure's usual casing of the fixed segments.
func (id ID) String() string {
	var b strings.Builder
	if id.Subscription != "" {
		b.WriteString("/subscriptions/" + id.Subscription)
	}
	if id.ResourceGroup != "" {
		b.WriteString("/resourceGroups/" + id.ResourceGroup)
	}
	if id.Provider != "" {
		b.WriteString("/providers/" + id.Provider)
	}
	for i, t := range id.Types {
		b.WriteString("/" + t + "/" + id.Names[i])
	}
	return b.String()
}

// Fold is the key under which the resource is stored: ids are compared
// without regard to case.
func (id ID) Fold() string { return strings.ToLower(id.String()) }

// Fold lower-cases an id or a name into its key.
func Fold(s string) string { return strings.ToLower(s) }

// Type is Namespace/type[/subtype], or Azure's types of groups and
// subscriptions.
func (id ID) Type() string {
	switch {
	case id.Provider != "":
		return id.Provider + "/" + strings.Join(id.Types, "/")
	case id.ResourceGroup != "":
		return "Microsoft.Resources/resourceGroups"
	default:
		return "Microsoft.Resources/subscriptions"
	}
}

// Name is the last name in the id.
func (id ID) Name() string {
	switch {
	case len(id.Names) > 0:
		return id.Names[len(id.Names)-1]
	case id.ResourceGroup != "":
		return id.ResourceGroup
	default:
		return id.Subscription
	}
}

// Group is the id of the resource group that holds id.
func (id ID) Group() ID { return ID{Subscription: id.Subscription, ResourceGroup: id.ResourceGroup} }

// Parent is the id one level up: the definition of a version, the gallery of a
// definition, the group of a gallery, the subscription of a group.
func (id ID) Parent() ID {
	if n := len(id.Types); n > 1 {
		p := id
		p.Types, p.Names = id.Types[:n-1:n-1], id.Names[:n-1:n-1]
		return p
	}
	if id.Provider != "" {
		return id.Group()
	}
	return ID{Subscription: id.Subscription}
}

// Child is the id of typ/name below id; at a group it needs provider first
// through In.
func (id ID) Child(typ, name string) ID {
	c := id
	c.Types = append(append([]string(nil), id.Types...), typ)
	c.Names = append(append([]string(nil), id.Names...), name)
	return c
}

// In gives a group's id the provider namespace, ready for Child.
func (id ID) In(provider string) ID {
	id.Provider, id.Types, id.Names = provider, nil, nil
	return id
}

// Is reports whether the id is of type t ("Microsoft.Compute/galleries"),
// without regard to case.
func (id ID) Is(t string) bool { return strings.EqualFold(id.Type(), t) }
