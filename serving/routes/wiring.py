"""How a route gets at the gateway's parts."""

from typing import Annotated

from fastapi import Depends, Request

from serving.gateway import Gateway


def get_gateway(request: Request) -> Gateway:
    """Give the gateway of the app that got this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(get_gateway)]
