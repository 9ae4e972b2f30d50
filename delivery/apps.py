from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "delivery"
    verbose_name = "Delivery"

    def ready(self) -> None:
        from delivery.engagement import register_fields, register_flow_fields

        register_fields()
        register_flow_fields()
