# SPDX-License-Identifier: Apache-2.0
"""USE CASES - one verb, one transaction: gather facts, ask a policy, call the core, write change and outbox."""
