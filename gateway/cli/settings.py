# SPDX-License-Identifier: Apache-2.0
"""The configuration that a command runs with."""

import argparse
import os

from gateway.config import Config, load_config
from gateway.log import start_logging


def loaded(args: argparse.Namespace) -> Config:
    """Read the configuration named on the command line or in the environment, and start logging as it says.

    Raises:
        Misconfigured: with every fault.
    """
    config = load_config(args.config, os.environ)
    start_logging(config.log.level)
    return config
