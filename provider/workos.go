package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// WorkOS signs in with single sign-on by WorkOS, whose addresses count as verified.
// A request has to say where people sign in: with the parameter connection,
// organization, or workos_provider (what WorkOS calls provider). Its scopes do
// nothing.
func WorkOS(c Config) postern.Provider {
	return service{
		name:        "workos",
		authorize:   "https://api.workos.com/sso/authorize",
		token:       "https://api.workos.com/sso/token",
		api:         "https://api.workos.com",
		style:       oauth2.AuthStyleInParams,
		fixedScopes: true,
		params:      workosParams,
		profile:     workosProfile,
	}.provider(c)
}

// workosParams renames the parameter whose name is that of the request's own.
func workosParams(params url.Values) url.Values {
	chosen, ok := params["workos_provider"]
	if !ok {
		return params
	}
	params = maps.Clone(params)
	delete(params, "workos_provider")
	params["provider"] = chosen
	return params
}

// workosProfile reads the profile that came with the access token: there is no
// other place to ask.
func workosProfile(_ context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID             string `json:"id"`
		Email          string `json:"email"`
		FirstName      string `json:"first_name"`
		LastName       string `json:"last_name"`
		ConnectionID   string `json:"connection_id"`
		OrganizationID string `json:"organization_id"`
	}
	text, err := json.Marshal(s.token.Extra("profile"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &user); err != nil {
		return nil, fmt.Errorf("the profile in the token answer: %w", err)
	}
	name := fullName(user.FirstName, user.LastName)
	return &postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID, Name: name, FullName: name,
			CustomClaims: map[string]any{"connection_id": user.ConnectionID, "organization_id": user.OrganizationID},
		},
	}, nil
}
