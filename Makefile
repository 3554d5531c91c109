# SPDX-License-Identifier: GPL-3.0-or-later
# `make` lists what there is. Each target installs what it needs itself.
#   make lab            two zones in containers, brought up and converged: the main job
#   make test           what CI runs
# VENV=<dir> uses a virtual environment made elsewhere; LAB_NAME, LAB_NET and LAB_BMC_NET put a second lab beside the first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
N ?= 1
S ?= default drivers
ARGS ?=
LAB := molecule/lab/lab
READY := $(if $(filter .venv,$(VENV)),.venv/.ready,$(VENV)/bin/python)
PLAY = ansible-playbook -i inventories/lab $(ARGS)
PYTEST = pytest --import-mode=importlib $(ARGS)

export PATH := $(abspath $(VENV))/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ The main job
.PHONY: lab drill drills recover verify
lab: lab-prerequisites ## Main job: four bare front-ends, then playbooks/site.yml on them, verified
	@$(MAKE) -j2 venv lab-up
	@$(PLAY) playbooks/site.yml

verify: $(READY) ## Run playbooks/verify.yml on the lab: fails when anything is red
	@$(PLAY) playbooks/verify.yml

recover: $(READY) ## Find and recover the stuck VMs of the lab (ARGS=--check only lists them)
	@$(PLAY) playbooks/recover.yml

drill: $(READY) ## Kill the active front-end N times in the middle of its work; table of times
	@molecule/lab/drill.py --rounds $(N) $(ARGS)

drills: $(READY) ## 20 crashes and 20 partitions: who survives, and how long that takes (ARGS="--crashes 2 --partitions 2 --zone alpha")
	@molecule/lab/drills.py $(ARGS)

##@ The lab
.PHONY: lab-up lab-down lab-status lab-verify lab-prerequisites
lab-prerequisites:
	@.ci/prerequisites
	@$(LAB) prerequisites

lab-up: lab-prerequisites ## Bring the lab's bare containers up (builds the image the first time)
	@$(LAB) up

lab-status: ## Show what of the lab is running
	@$(LAB) status

lab-verify: $(READY) ## Look at the converged lab from outside (tests/verify)
	@$(PYTEST) -q tests/verify

lab-down: ## Remove the lab and leave nothing behind
	@$(LAB) down

##@ Tests
.PHONY: test unit servers faults faults-lab lint sanity molecule bench scenarios evidence generate
test: $(READY) ## What CI runs: unit, servers, lint, sanity, molecule; times and totals at the end
	@.ci/stages unit servers lint sanity molecule

unit: $(READY) ## Unit, layering and meta tests, in seconds
	@$(PYTEST) -q tests/unit

servers: $(READY) ## The MariaDB modules on four real servers of this machine
	@.ci/prerequisites servers
	@$(PYTEST) -q tests/servers

faults: $(READY) ## 25 random faults on four real servers, checked by an oracle (ARGS="--seed 2 --layout guide")
	@.ci/prerequisites servers
	@tests/faults/run.py $(ARGS)

faults-lab: lab-prerequisites $(READY) ## The same and more on the lab, where pacemaker answers (ARGS="--seed 2 --faults 12")
	@$(LAB) up
	@ansible-playbook -i inventories/lab playbooks/site.yml -e database_auto_rejoin=true
	@tests/faults/lab.py $(ARGS)

lint: $(READY) ## ansible-lint (production profile), yamllint, shellcheck
	@.ci/lint

sanity: $(READY) ## ansible-test sanity on a built and installed copy (ARGS="--test pep8")
	@VENV=$(VENV) .ci/sanity $(ARGS)

molecule: lab-prerequisites $(READY) ## Molecule scenarios S="default drivers": converge, idempotence, verify, and then trouble
	@for scenario in $(S); do molecule test --scenario-name $$scenario $(ARGS); done

scenarios: $(READY) ## Long checks on the converged lab: secrets at -vvv, drift, acknowledgements, interruption
	@tests/scenarios/secrets.py
	@tests/scenarios/drift.py
	@tests/scenarios/cib.py
	@tests/scenarios/cluster_errors.py
	@tests/scenarios/acknowledgements.py
	@tests/scenarios/interrupt.py

evidence: lab-prerequisites $(READY) ## Stuck VMs and real hypervisors, on a lab of its own kind: one zone, three KVM hosts (ARGS="boot migrate-both")
	@LAB_ZONES=alpha:2 LAB_HYPERVISORS=3 tests/scenarios/evidence.py $(ARGS)

bench: $(READY) ## Measure site.yml against the same procedure as bare commands; prints ratios
	@tests/benchmarks/site.py

generate: $(READY) ## Write what is derived from the tree (action group)
	@.ci/generate

##@ Setup
.PHONY: venv clean
venv: $(READY) ## Make .venv with everything that developing and testing needs

.venv/.ready: requirements-dev.txt
	@.ci/prerequisites
	@test -x .venv/bin/python || python3 -m venv .venv
	@echo "installing requirements-dev.txt into .venv"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean: ## Remove what building and testing made (not the lab, not .venv)
	@rm -rf build .cache .pytest_cache .hypothesis tests/output
