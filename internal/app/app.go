package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"millpond/internal/account"
	"millpond/internal/cli"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/layer"
	"millpond/internal/machine"
	"millpond/internal/pool"
	"millpond/internal/provider/local"
	"millpond/internal/resource"
	"millpond/internal/schedule"
	"millpond/internal/store"
	"millpond/internal/web"
	"millpond/internal/web/adminapi"
	"millpond/internal/web/armapi"
	"millpond/internal/web/batchapi"
	"millpond/internal/web/nodeapi"
	"millpond/internal/web/oauth"
)

// App is the composed server: open, then Run, then Close.
type App struct {
	up       cli.Up
	log      *slog.Logger
	clock    resource.Clock
	folder   folder
	ca       *authority
	db       *store.DB
	provider *local.Provider
	tls      net.Listener
	plain    net.Listener // nil without --http

	identity *identity.Identity
	accounts accounts
	images   images
	machines *machine.Machines
	pools    *pool.Pools
	jobs     *job.Jobs
	loops    *schedule.Scheduler
	imageOps *schedule.Images
	vmOps    *schedule.VMs
	deletes  *schedule.Deletes
	gateway  *nodeapi.Gateway
	faces    *faces
	start    account.Start
}

// Up runs the server until ctx ends; ready is called when it answers.
func Up(ctx context.Context, up cli.Up, ready func(cli.Ready)) error {
	a, err := open(ctx, up)
	if err != nil {
		return err
	}
	err = a.run(ctx, ready)
	return errors.Join(err, a.close())
}

func open(ctx context.Context, up cli.Up) (a *App, err error) {
	a = &App{up: up, clock: resource.SystemClock()}
	if a.log, err = logger(up.LogLevel); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
			a = nil
		}
	}()
	if a.folder, err = openFolder(up.Data); err != nil {
		return a, err
	}
	// Ports first: what is taken is told before anything is started.
	if a.tls, err = listen(up.Listen, "--listen"); err != nil {
		return a, err
	}
	if up.HTTP != "" {
		if err = onLoopback(up.HTTP); err != nil {
			return a, err
		}
		if a.plain, err = listen(up.HTTP, "--http"); err != nil {
			return a, err
		}
	}
	if a.db, err = store.Open(ctx, a.database()); err != nil {
		return a, err
	}
	if a.ca, err = openAuthority(up.Data); err != nil {
		return a, err
	}
	sealer, err := identity.OpenSealer(a.folder.path("secret.key"))
	if err != nil {
		return a, err
	}
	a.identity = identity.New(a.db, a.clock, sealer)
	if err := a.openProvider(ctx); err != nil {
		return a, err
	}
	a.wire()
	if err := a.bootstrap(ctx); err != nil {
		return a, err
	}
	return a, a.setAliases(ctx)
}

func (a *App) database() store.Config {
	c := store.Config{Clock: a.clock, Log: a.log}
	if a.up.Database != "" {
		c.Postgres = a.up.Database
	} else {
		c.SQLite = a.folder.path("millpond.db")
	}
	return c
}

func logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %s: the value must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// openProvider finds or starts the machine provider.
func (a *App) openProvider(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	agent := agentBeside(self)
	if _, err := os.Stat(agent); err != nil {
		return fmt.Errorf("the node agent is missing beside this program: %w", err)
	}
	limits, ok := map[string]local.Limits{"": local.LimitsAuto, "auto": local.LimitsAuto, "on": local.LimitsOn, "off": local.LimitsOff}[a.up.Limits]
	if !ok {
		return fmt.Errorf("--limits %s: the value must be auto, on or off", a.up.Limits)
	}
	a.provider, err = local.Open(ctx, local.Config{DataDir: a.up.Data, Millpond: self, Agent: agent, Limits: limits, TasksTmpfs: a.up.TasksTmpfs, Log: a.log})
	return err
}

// wire makes the nouns, the loops and the faces and introduces them.
func (a *App) wire() {
	a.accounts = accounts{account.New(a.db, a.identity, a.clock, account.DefaultQuotas(), func() { a.deletes.Wake() })}
	rooms := gallery.New(gallery.Config{
		Store: a.db, Clock: a.clock, Worker: a.provider.Worker(), Blobs: layer.Blobs{Dir: a.folder.path("layers")},
		Data: a.up.Data, Offline: a.up.Offline, Directory: a.accounts.Accounts, Roles: a.identity, Region: account.Region,
		Wake: func() { a.imageOps.Wake() },
	})
	a.images = images{rooms}
	a.machines = &machine.Machines{Store: a.db, Clock: a.clock, Images: rooms, Region: account.Region, Wake: func() { a.vmOps.Wake() }}
	rooms.Sources = a.machines
	a.gateway = nodeapi.New(nodeapi.Config{Log: a.log, SSHHost: "127.0.0.1", SSHFirst: a.up.SSHPort,
		URL: func(account string) string { return baseURL("https", a.tls) + "/batch/" + account }})
	paths := schedule.Paths{Disks: a.folder.path("disks"), Nodes: a.folder.path("nodes")}
	a.vmOps = schedule.NewVMs(schedule.VMsConfig{Machines: a.machines, Provider: a.provider, Worker: a.provider.Worker(),
		SSH: a.gateway, Paths: paths, Log: a.log})
	a.imageOps = schedule.NewImages(rooms, a.log, a.vmOps.Wake)
	a.loops = schedule.New(schedule.Config{
		Store: a.db, Provider: a.provider, Worker: a.provider.Worker(), Nodes: a.gateway, Trees: a.images, Owners: a.accounts,
		Machines: a.vmOps, Clock: a.clock, Size: machine.CoresAndMemory, Log: a.log,
		Paths: paths,
	})
	a.pools = &pool.Pools{Store: a.db, Nodes: a.db, Images: a.images, Clock: a.clock, Size: machine.CoresAndMemory, Wake: a.loops.WakePool}
	a.jobs = &job.Jobs{Store: a.db, Tasks: a.db, Clock: a.clock, Wake: a.loops.WakeWork, Ending: a.loops.WakeEnds}
	a.deletes = schedule.NewDeletes(schedule.DeletesConfig{Accounts: a.accounts.Accounts, Images: rooms, Machines: a.machines,
		Resources: a.db, Store: a.db, Clock: a.clock, Log: a.log, WakePool: a.loops.WakePool, WakeEnds: a.loops.WakeEnds})
	a.makeFaces()
}

func (a *App) makeFaces() {
	batch := &batchapi.API{
		Accounts: a.accounts, Identity: a.identity, Pools: a.pools, PoolStore: a.db, NodeStore: a.db, Reach: a.gateway,
		Jobs: a.jobs, JobStore: a.db, TaskStore: a.db, Images: a.images.Catalogue, Clock: a.clock, Log: a.log, SSHHost: "127.0.0.1",
	}
	arm := &armapi.API{Identity: a.identity, Accounts: a.accounts.Accounts, Resources: a.db, Clock: a.clock, Log: a.log,
		Compute: armapi.Compute{Images: a.images.Images, Machines: a.machines}}
	admin := &adminapi.API{Identity: a.identity, Images: a.images.Images, Scopes: a.scopes, Clock: a.clock, Log: a.log}
	a.faces = &faces{
		oauth: oauth.New(a.identity, a.clock, a.log), arm: arm.Face(), graph: arm.Graph(), admin: admin.Face(),
		batchPath: batch.Face(web.PathMount("/batch/")), batchHost: batch.Face(web.HostMount),
	}
}

// scopes gives the subscriptions of a tenant to the admin face.
func (a *App) scopes(ctx context.Context, tenantID string) ([]string, error) {
	subs, err := a.accounts.Subscriptions(ctx, tenantID)
	var ids []string
	for _, s := range subs {
		ids = append(ids, account.SubscriptionID(s.ID))
	}
	return ids, err
}

// bootstrap makes the first tenant, subscription, principal, group and account,
// and writes how to reach them.
func (a *App) bootstrap(ctx context.Context) error {
	wish := account.Wish{Location: a.up.Location, NeedSecret: !a.up.NoAdminFile}
	if wish.NeedSecret {
		secret, err := a.folder.readSecret()
		if err != nil {
			return err
		}
		wish.ClientSecret = secret
	}
	start, err := a.accounts.Bootstrap(ctx, wish)
	if err != nil || a.up.NoAdminFile {
		return err
	}
	a.start = start
	return a.folder.writeAdmin(start, baseURL("https", a.tls), a.httpURL())
}

func (a *App) httpURL() string {
	if a.plain == nil {
		return ""
	}
	return baseURL("http", a.plain)
}

func (a *App) setAliases(ctx context.Context) error {
	for _, text := range a.up.Alias {
		ref, source, err := gallery.ParseAlias(text)
		if err != nil {
			return fmt.Errorf("alias %s: %w", text, err)
		}
		if err := a.images.Catalogue.SetAlias(ctx, ref, source); err != nil {
			return fmt.Errorf("alias %s: %w", text, err)
		}
	}
	return nil
}

func (a *App) run(ctx context.Context, ready func(cli.Ready)) error {
	agents, err := a.agentListener()
	if err != nil {
		return err
	}
	a.collect(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.gateway.Serve(ctx, agents, a.loops) })
	group.Go(func() error { return a.loops.Run(ctx) })
	group.Go(func() error { return a.imageOps.Run(ctx) })
	group.Go(func() error { return a.vmOps.Run(ctx) })
	group.Go(func() error { return a.deletes.Run(ctx) })
	// Nobody is told of nodes before it is known which of them still run.
	select {
	case <-a.loops.Recovered():
	case <-ctx.Done():
		return group.Wait()
	}
	serve := func(handler http.Handler, start func(*http.Server) error) {
		s, stop := a.newServer(handler)
		group.Go(func() error {
			if err := start(s); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			return stop(context.WithoutCancel(ctx))
		})
	}
	serve(a.faces, func(s *http.Server) error {
		s.TLSConfig = a.ca.config()
		return s.ServeTLS(a.tls, "", "")
	})
	if a.plain != nil {
		serve(plainFaces(a.faces), func(s *http.Server) error { return s.Serve(a.plain) })
	}
	ready(cli.Ready{URL: baseURL("https", a.tls), HTTPURL: a.httpURL(), Data: a.up.Data})
	return group.Wait()
}

// collect frees the disk of what no record names. It does so before the loops
// begin and only where no machine was adopted, so that nobody stands on it. A
// server that cannot look into the folders (an ordinary user's) leaves them.
func (a *App) collect(ctx context.Context) {
	running, err := a.provider.List(ctx)
	if err != nil || len(running) > 0 {
		return
	}
	open, err := a.db.OpenOperations(ctx)
	if err != nil || len(open) > 0 {
		return
	}
	n, err := a.images.Collect(ctx)
	if err != nil && !errors.Is(err, os.ErrPermission) {
		a.log.Warn("collecting layers", "error", err)
	}
	if n > 0 {
		a.log.Info("layers collected", "count", n)
	}
}

// close releases everything, in the reverse order; parts that were never
// opened are passed over.
func (a *App) close() error {
	var errs []error
	if a.provider != nil {
		errs = append(errs, a.provider.Close(a.up.KeepNodes))
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	for _, l := range []net.Listener{a.tls, a.plain} {
		if l != nil {
			_ = l.Close() // the servers have closed it already
		}
	}
	return errors.Join(errs...)
}
