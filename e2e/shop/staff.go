package shop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// NewStaff is the browser of a new administrator: an account like any other, which the operator's command then raises
// (AUTH_DATABASE_URL, and the program beside the tree's other programs).
func NewStaff(ctx context.Context) (*Shopper, error) {
	s, a := New(), NewAccount()
	if err := s.Register(ctx, a); err != nil {
		return nil, err
	}
	if err := Command(ctx, "grant-admin", a.Email); err != nil {
		return nil, err
	}
	return s, s.Login(ctx, a) // a new session has the new role
}

// Command is what an operator does to an account: grant-admin, suspend, and so on.
func Command(ctx context.Context, command, email string) error {
	if os.Getenv("AUTH_DATABASE_URL") == "" {
		return fmt.Errorf("AUTH_DATABASE_URL is not set: see `.bin/stack env`")
	}
	program := ".bin/auth"
	if _, err := os.Stat(program); err != nil {
		program = "../../" + program // in a test, which runs in its own folder
	}
	if out, err := exec.CommandContext(ctx, program, command, email).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}
