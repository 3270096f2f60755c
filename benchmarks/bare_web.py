"""What HTTP is measured against: the least that FastAPI and Starlette do with a body and one write to Redis.

python -m benchmarks.bare_web REDIS_URL      prints its address, then serves POST /calls and POST /callbacks
"""

import socket
import sys
import uuid

import redis.asyncio as aioredis
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as PlainResponse
from starlette.routing import Mount, Route


class Phone(BaseModel):
    phone: str


class Call(BaseModel):
    callfrom: Phone
    callto: list[Phone]
    reference: str | None = None


def make_app(redis_url: str) -> Starlette:
    client = aioredis.from_url(redis_url, max_connections=64)
    api = FastAPI()

    async def place(call: Call, response: Response) -> dict[str, str]:
        """Validates, and writes record and place in the queue in one round trip."""
        number = str(uuid.uuid4())
        async with client.pipeline(transaction=True) as pipe:
            pipe.hset(f"bare:{number}", mapping={"body": call.model_dump_json(), "state": "queued"})
            pipe.rpush("bare:queue", number)
            await pipe.execute()
        response.status_code = 202
        return {"id": number, "state": "queued"}

    async def keep(request: Request) -> PlainResponse:
        await client.xadd("bare:inbox", {"b": await request.body(), "t": request.headers.get("content-type", "")})
        return PlainResponse("ok")

    api.post("/calls")(place)
    return Starlette(routes=[Route("/callbacks", keep, methods=["POST"]), Mount("/api", api)])


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(make_app(sys.argv[1]), access_log=False, log_level="error", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
