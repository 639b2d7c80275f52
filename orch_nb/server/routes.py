"""The API, route by route; `orch_nb.server.requests` says what each one takes."""

from __future__ import annotations

from orch_nb.server.route import Action, Resource, Route

_SERVER, _NOTEBOOKS = Resource.SERVER, Resource.NOTEBOOKS
_RUNS, _DEPLOYMENTS = Resource.RUNS, Resource.DEPLOYMENTS
_WRITE, _EXECUTE = Action.WRITE, Action.EXECUTE

SERVICE = (
    Route(
        "GET",
        "/health",
        "service.health",
        "Whether it is there, and its version",
        _SERVER,
        "Health",
    ),
    Route(
        "GET",
        "/options/schema",
        "service.options",
        "JSON schemas of task and flow options",
        _SERVER,
        "OptionSchemas",
    ),
    Route("GET", "/workers", "service.workers", "Schedulers and workers", _SERVER, "Workers"),
    Route("GET", "/daemon", "service.daemon", "Whether schedules will run", _SERVER, "Daemon"),
    Route(
        "POST",
        "/daemon",
        "service.set_daemon",
        "Start, keep or stop the daemon",
        _SERVER,
        "Daemon",
        _EXECUTE,
    ),
    Route(
        "GET",
        "/events",
        "service.events",
        "What happened after a cursor; waits if nothing did",
        _RUNS,
        "Events",
    ),
)

NOTEBOOK_ROUTES = (
    Route(
        "POST",
        "/graph",
        "notebooks.graph",
        "A notebook's graph, its picture and its problems",
        _NOTEBOOKS,
        "Graph",
        notebook=True,
    ),
    Route(
        "POST",
        "/check",
        "notebooks.check",
        "A notebook's problems, with places and fixes",
        _NOTEBOOKS,
        "Problems",
        notebook=True,
    ),
    Route(
        "POST",
        "/cells/tag",
        "notebooks.tag",
        "A cell's text and metadata with another kind or options",
        _NOTEBOOKS,
        "Cell",
    ),
)

RUN_ROUTES = (
    Route("GET", "/runs", "runs.page", "Recorded runs, the newest first", _RUNS, "RunPage"),
    Route(
        "POST",
        "/runs",
        "runs.start",
        "Run a notebook in a process of its own",
        _RUNS,
        "Run",
        _EXECUTE,
        status=201,
        notebook=True,
    ),
    Route("GET", "/grid", "runs.grid", "The last runs against their tasks", _RUNS, "Grid"),
    Route("GET", "/runs/{run}", "runs.show", "A run as a view shows it", _RUNS, "RunDocument"),
    Route(
        "GET", "/runs/{run}/tasks", "runs.tasks", "Its task runs, in document order", _RUNS, "Tasks"
    ),
    Route(
        "GET", "/runs/{run}/history", "runs.history", "Every change of state", _RUNS, "HistoryRows"
    ),
    Route(
        "GET",
        "/runs/{run}/logs",
        "runs.logs",
        "What its cells logged, after a cursor",
        _RUNS,
        "Logs",
    ),
    Route(
        "GET",
        "/runs/{run}/outputs",
        "runs.outputs",
        "What its cells put out, in nbformat",
        _RUNS,
        "Outputs",
    ),
    Route(
        "GET",
        "/runs/{run}/cells/{cell}",
        "runs.detail",
        "One cell's source, inputs, outputs and error",
        _RUNS,
        "Detail",
    ),
    Route(
        "GET", "/runs/{run}/plan", "runs.plan", "What a resume would run and reuse", _RUNS, "Plan"
    ),
    Route(
        "GET", "/runs/{run}/why", "runs.why", "Why it has not started, or is as it is", _RUNS, "Why"
    ),
    Route(
        "GET",
        "/runs/{run}/compare/{other}",
        "runs.compare",
        "What differs between two runs",
        _RUNS,
        "Differences",
    ),
    Route("POST", "/runs/{run}/cancel", "runs.cancel", "End it", _RUNS, "Run", _EXECUTE),
    Route(
        "POST",
        "/runs/{run}/resume",
        "runs.resume",
        "Go on with it; what is done is not done again",
        _RUNS,
        "Run",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/runs/{run}/retry",
        "runs.retry",
        "Run tasks again, and what depends on them",
        _RUNS,
        "Run",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/runs/{run}/answer",
        "runs.answer",
        "Answer what a task asks",
        _RUNS,
        "Run",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/runs/{run}/keep",
        "runs.keep",
        "Keep it from being cleaned away, or not",
        _RUNS,
        "Run",
        _WRITE,
    ),
)

DEPLOYMENT_ROUTES = (
    Route(
        "GET",
        "/deployments",
        "deployments.all_of_them",
        "Deployments, by name",
        _DEPLOYMENTS,
        "Deployments",
    ),
    Route(
        "POST",
        "/deployments",
        "deployments.create",
        "Deploy a notebook, or a new version of one",
        _DEPLOYMENTS,
        "Deployment",
        _EXECUTE,
        status=201,
    ),
    Route(
        "GET",
        "/deployments/{deployment}",
        "deployments.show",
        "One with its last runs and ticks",
        _DEPLOYMENTS,
        "Deployment",
    ),
    Route(
        "PUT",
        "/deployments/{deployment}",
        "deployments.change",
        "A new version of it",
        _DEPLOYMENTS,
        "Deployment",
        _EXECUTE,
    ),
    Route(
        "DELETE",
        "/deployments/{deployment}",
        "deployments.delete",
        "Forget it; its runs stay",
        _DEPLOYMENTS,
        "Done",
        _WRITE,
    ),
    Route(
        "GET",
        "/deployments/{deployment}/versions",
        "deployments.versions",
        "Its versions, the newest first",
        _DEPLOYMENTS,
        "Versions",
    ),
    Route(
        "POST",
        "/deployments/{deployment}/pause",
        "deployments.pause",
        "Stop its schedules",
        _DEPLOYMENTS,
        "Deployment",
        _WRITE,
    ),
    Route(
        "POST",
        "/deployments/{deployment}/resume",
        "deployments.resume",
        "Let its schedules go on",
        _DEPLOYMENTS,
        "Deployment",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/deployments/{deployment}/run",
        "deployments.run",
        "Run it now, once",
        _DEPLOYMENTS,
        "Run",
        _EXECUTE,
        status=201,
    ),
    Route(
        "POST",
        "/deployments/{deployment}/redeploy",
        "deployments.redeploy",
        "A new version with its files as they are now, all else as it is or as given",
        _DEPLOYMENTS,
        "Deployment",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/deployments/{deployment}/rollback",
        "deployments.rollback",
        "Run an earlier version",
        _DEPLOYMENTS,
        "Deployment",
        _EXECUTE,
    ),
    Route(
        "POST",
        "/schedules/preview",
        "deployments.preview",
        "Schedules in words, and their next times",
        _DEPLOYMENTS,
        "Preview",
    ),
    Route(
        "GET",
        "/upcoming",
        "deployments.upcoming",
        "What runs next, the soonest first",
        _DEPLOYMENTS,
        "Upcoming",
    ),
    Route(
        "POST",
        "/notify/test",
        "deployments.try_target",
        "Send a test message",
        _DEPLOYMENTS,
        "Done",
        _EXECUTE,
    ),
)

ROUTES: tuple[Route, ...] = (*SERVICE, *NOTEBOOK_ROUTES, *RUN_ROUTES, *DEPLOYMENT_ROUTES)
