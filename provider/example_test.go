package provider_test

import (
	"context"
	"fmt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider"
)

func ExampleGitLab() {
	gitlab := provider.GitLab(provider.Config{
		ClientID: "4f2c", Secret: "from the environment",
		URL: "https://git.example.com", // without it: gitlab.com
	})
	config := postern.Config{Providers: []postern.Provider{gitlab}}
	fmt.Println(config.Providers[0].Name)

	// An Auth with this configuration sends people here:
	to, err := gitlab.Authorize(context.Background(), postern.ProviderStart{
		State: "0b1d", CallbackURL: "https://app.example.com/auth/v1/callback",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(to.URL)
	// Output:
	// gitlab
	// https://git.example.com/oauth/authorize?client_id=4f2c&redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fv1%2Fcallback&response_type=code&scope=read_user&state=0b1d
}

func ExampleNew() {
	for _, name := range []string{"discord", "myspace"} {
		_, ok := provider.New(name, provider.Config{ClientID: "…", Secret: "…"})
		fmt.Println(name, ok)
	}
	// Output:
	// discord true
	// myspace false
}
